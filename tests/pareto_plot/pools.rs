//! Mean cost (US dollars per 1,000 prompts) and mean score of models of three public suites, by rising cost.

pub(crate) const PAIR: &[(&str, f64, f64)] =
    &[("mistralai/Mixtral-8x7B-Instruct-v0.1", 0.0691, 0.678), ("gpt-4-1106-preview", 1.4885, 0.8108)];

pub(crate) const ELEVEN: &[(&str, f64, f64)] = &[
    ("mistralai/mistral-7b-chat", 0.0813, 0.5843),
    ("WizardLM/WizardLM-13B-V1.2", 0.1229, 0.5672),
    ("mistralai/mixtral-8x7b-chat", 0.2478, 0.7416),
    ("meta/code-llama-instruct-34b-chat", 0.3111, 0.6113),
    ("zero-one-ai/Yi-34B-Chat", 0.3292, 0.7733),
    ("claude-instant-v1", 0.3651, 0.6734),
    ("meta/llama-2-70b-chat", 0.3766, 0.6186),
    ("gpt-3.5-turbo-1106", 0.4207, 0.732),
    ("claude-v1", 3.5752, 0.7273),
    ("claude-v2", 3.7953, 0.5507),
    ("gpt-4-1106-preview", 5.0153, 0.8795),
];

pub(crate) const THIRTY_TWO: &[(&str, f64, f64)] = &[
    ("Phi-3-mini-4k-instruct", 0.0285, 0.4148),
    ("gemini-1.5-flash-002", 0.0458, 0.6409),
    ("Mistral-7B-v0.1", 0.0517, 0.2977),
    ("Mistral-7B-v0.2-hf", 0.0519, 0.2917),
    ("Llama-2-7b-hf", 0.0529, 0.1834),
    ("Yi-6B", 0.0532, 0.2497),
    ("gemma-7b", 0.0542, 0.3236),
    ("Mistral-7B-Instruct-v0.1", 0.0573, 0.2415),
    ("Mistral-7B-Instruct-v0.2", 0.0581, 0.2876),
    ("Yi-6b-Chat", 0.0585, 0.268),
    ("Qwen1.5-7B-Chat", 0.0591, 0.2644),
    ("mathstral-7B", 0.0627, 0.42),
    ("Meta-Llama-3_1-8B", 0.0773, 0.3649),
    ("Llama-2-13b-hf", 0.0801, 0.2352),
    ("DeepSeek-Coder-V2", 0.0803, 0.6363),
    ("Meta-Llama-3_1-8B-Instruct", 0.0821, 0.4419),
    ("Meta-Llama-3-8B", 0.0873, 0.3418),
    ("Meta-Llama-3-8B-Instruct", 0.0927, 0.4122),
    ("deepseek-v2-chat", 0.0971, 0.5248),
    ("Mixtral-8x7B-v0.1", 0.1582, 0.3988),
    ("Mixtral-8x7B-Instruct-v0.1", 0.1674, 0.4189),
    ("Yi-34B", 0.2075, 0.4208),
    ("c4ai-command-r-v01", 0.2375, 0.3659),
    ("Llama-2-70b-hf", 0.2385, 0.3629),
    ("Qwen1.5-72B-Chat", 0.2816, 0.4715),
    ("Meta-Llama-3_1-70B", 0.2828, 0.5247),
    ("Meta-Llama-3_1-70B-Instruct", 0.2874, 0.6282),
    ("Meta-Llama-3-70B", 0.393, 0.5201),
    ("Qwen1.5-110B", 0.4732, 0.492),
    ("jamba-1.5-large", 0.615, 0.4946),
    ("gemini-1.5-pro-002", 0.6586, 0.7025),
    ("gpt-4o-2024-05-13", 7.1593, 0.7207),
];
