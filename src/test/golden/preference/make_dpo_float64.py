"""The DPO run of shared/golden/preference once more, in float64.

    python make_dpo_float64.py SHARED/golden OUT

SHARED/golden is the folder of goldens; its make/make_golden.py builds the base model. Six steps in float64 end up 1.3e-3 (norm of the
difference over the norm of the change) away from the float32 golden in one tensor, layer 1's v_proj.lora_A: Adam divides tiny gradients by
their own size, so float32 rounding turns some of its first steps round. That tensor is compared with this run instead.
Made with torch 2.15.0, transformers 5.24.0, peft 0.21.2, bitsandbytes 0.50.2.
"""
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn.functional import logsigmoid

golden, out = Path(sys.argv[1]), Path(sys.argv[2])
maker = (golden / "make" / "make_golden.py").read_text()
sys.argv = ["make_golden", str(out / "unused")]
exec(maker[: maker.index("for f in (formats")])

linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
base, _ = quantized_copy(tiny("llama"))
model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.0, target_modules=linears))
start_values = load_file(golden / "preference/dpo/initial/adapter_model.safetensors")
rows = load_file(golden / "preference/batches.safetensors")
with torch.no_grad():
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.copy_(start_values[name.replace(".default", "")])
model = model.double()
weights = [w for w in model.parameters() if w.requires_grad]
adam = torch.optim.AdamW(weights, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def score(prompt, answer):
    ids = torch.cat([prompt, answer])[None].long()
    scores = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return scores.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0].sum()


def reference(prompt, answer):
    with torch.no_grad(), model.disable_adapter():
        return score(prompt, answer)


for step in range(6):
    for row in range(2):
        prompt, chosen, rejected = (rows[f"dpo.s{step}.r{row}.{part}"] for part in ("prompt", "chosen", "rejected"))
        margin = (score(prompt, chosen) - reference(prompt, chosen)) - (score(prompt, rejected) - reference(prompt, rejected))
        (-logsigmoid(0.1 * margin) / 2).backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    adam.step()
    adam.zero_grad()

name = "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"
final = dict((n.replace(".default", ""), w) for n, w in model.named_parameters())
save_file({name: final[name].detach().float().contiguous()}, out / "dpo_float64.safetensors")
