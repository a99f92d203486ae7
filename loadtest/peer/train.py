"""torch and PEFT's training speed on this machine: the peer of `make bench BENCH=training`. Never a dependency of the server.

    python3 -m venv target/peer
    target/peer/bin/pip install torch peft transformers
    target/peer/bin/python loadtest/peer/train.py --threads 2

SmolLM2-135M's shape with random weights in fp32 (16-bit or 4-bit weights would be slower here), LoRA of rank 16 on all linears, one row
of 512 tokens a step, AdamW, no gradient checkpointing.
"""

import argparse
import os
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--steps", type=int, default=6)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        vocab_size=49152, tie_word_embeddings=True, max_position_embeddings=8192,
    )
    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(LlamaForCausalLM(config), LoraConfig(r=16, lora_alpha=32, target_modules=linears))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(10, 49000, (1, 512))
    times = []
    for _ in range(2 + args.steps):
        begun = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - begun)
    mean = sum(times[2:]) / args.steps
    print(f"torch {torch.__version__}, fp32, {args.threads} threads: {512 / mean:.1f} training tokens/s, {mean * 1000:.0f} ms a step")


if __name__ == "__main__":
    main()
