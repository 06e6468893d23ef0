# The program alone, statically linked:
#     docker build -t llm-bandit .
#     docker run --rm -v "$PWD:/work" -w /work llm-bandit run scenarios/quickstart.toml
FROM rust:1.95-slim AS build
WORKDIR /llm-bandit
COPY . .
# The target is named so that programs which run while it is built are not linked statically.
RUN RUSTFLAGS="-C target-feature=+crt-static" CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked --target "$(rustc --print host-tuple)" \
    && cp target/*/release/llm-bandit .

FROM scratch
COPY --from=build /llm-bandit/llm-bandit /llm-bandit/LICENSE-MIT /llm-bandit/LICENSE-APACHE /
ENTRYPOINT ["/llm-bandit"]
