//! A deterministic benchmark and simulation harness for routers that choose among large language models.
