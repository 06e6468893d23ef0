# The program alone, statically linked:
#     docker build -t llm-bandit .
#     docker run --rm -v "$PWD:/work" -w /work llm-bandit run scenarios/quickstart.toml
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /llm-bandit
COPY . .
RUN cargo build --release --locked

FROM scratch
COPY --from=build /llm-bandit/target/release/llm-bandit /llm-bandit
COPY --from=build /llm-bandit/LICENSE-MIT /llm-bandit/LICENSE-APACHE /
ENTRYPOINT ["/llm-bandit"]
