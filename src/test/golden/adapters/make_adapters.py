"""Writes PEFT folders over the golden base models, each with its logits: make_adapters.py MODELS (golden/models).
Run where this file lies, with the versions of meta.json. Float32 on the CPU, seeds from the names. The 4-bit weights are
dequantised by the formula; the rotary frequencies are rounded to bfloat16, as the base models' own goldens have them."""
import json, sys
from pathlib import Path

import peft, torch, transformers
import bitsandbytes as bnb
import bitsandbytes.functional as BF
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

MODELS, OUT = Path(sys.argv[1]), Path(__file__).parent
TOKENS = 12
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def seed_of(name):
    return sum(ord(c) * (i + 1) for i, c in enumerate(name))


def dequantised(weight):
    packed, s = BF.quantize_4bit(weight.contiguous(), blocksize=64, quant_type="nf4", compress_statistics=True)
    byte = packed.reshape(-1).view(torch.uint8).long()
    codes = torch.stack([byte >> 4, byte & 15], 1).reshape(-1)[: s.shape.numel()]
    absmax = s.state2.code[s.absmax.long()] * s.state2.absmax.repeat_interleave(s.state2.blocksize)[: s.absmax.numel()]
    absmax = absmax + s.offset
    return (s.code[codes] * absmax.repeat_interleave(s.blocksize)[: s.shape.numel()]).reshape(s.shape).float()


def base(family, form):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        MODELS / family / "bf16", dtype=torch.float32, attn_implementation="eager"
    )
    rope = model.model.rotary_emb
    rope.inv_freq = rope.inv_freq.to(torch.bfloat16).float()
    if form == "bnb-4bit":
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and name.startswith("model.layers"):
                module.weight.data = dequantised(module.weight.data.to(torch.bfloat16))
    return model.eval()


# name: family, form of its weights, dtype of the adapter, what the saved configuration says instead, LoraConfig
ADAPTERS = {
    "qwen2_all_linear": ("qwen2", "bnb-4bit", torch.float32, {"target_modules": "all-linear"},
                         dict(r=2, lora_alpha=8, target_modules="all-linear")),
    "qwen2_dora": ("qwen2", "bnb-4bit", torch.bfloat16, {},
                   dict(r=3, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj", "down_proj"], use_dora=True)),
    "qwen3_regex": ("qwen3", "bnb-4bit", torch.float16, {},
                    dict(r=4, lora_alpha=8, target_modules=r"model\.layers\.[12]\.(self_attn\.[qo]|mlp\.(up|down))_proj")),
    "qwen3_patterns": ("qwen3", "bnb-4bit", torch.float32, {},
                       dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], use_rslora=True,
                            rank_pattern={r"layers\.[01]\.self_attn\.[qv]_proj": 2, "up_proj": 5},
                            alpha_pattern={r".*\.2\..*": 16, "q_proj": 3})),
    "mistral_layer": ("mistral", "bnb-4bit", torch.bfloat16, {"layers_to_transform": 1},
                      dict(r=4, lora_alpha=16, target_modules=ALL, layers_to_transform=[1])),
    "mistral_head": ("mistral", "bnb-4bit", torch.bfloat16, {},
                     dict(r=4, lora_alpha=16, target_modules=["o_proj", "lm_head"])),
    "llama_tied_embed_saved": ("llama_tied", "bnb-4bit", torch.bfloat16, {},
                               dict(r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"])),
    "llama_tied_head_dora": ("llama_tied", "bnb-4bit", torch.bfloat16, {},
                             dict(r=4, lora_alpha=8, target_modules=["v_proj", "lm_head"], use_dora=True)),
    "llama_both_saved": ("llama", "bnb-4bit", torch.bfloat16, {},
                         dict(r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "llama_dense_dora": ("llama", "bf16", torch.float32, {}, dict(r=2, lora_alpha=8, target_modules=ALL, use_dora=True)),
}


def make(name, family, form, dtype, rewritten, options):
    folder = OUT / name
    torch.manual_seed(seed_of(name))
    config = LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **options)
    model = get_peft_model(base(family, form), config).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "lora_magnitude" in key:
                weight.mul_(1 + 0.1 * torch.randn_like(weight))
            elif "lora_" in key:
                weight.copy_(0.1 * torch.randn_like(weight))
            elif "modules_to_save" in key:
                weight.add_(0.02 * torch.randn_like(weight))
            else:
                continue
            weight.copy_(weight.to(dtype).float())  # the logits are those of the stored values
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    stored = load_file(folder / "adapter_model.safetensors")
    save_file({k: v.to(dtype).contiguous() for k, v in stored.items()}, folder / "adapter_model.safetensors")
    saved = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(saved | {"base_model_name_or_path": "golden-" + family} | rewritten, indent=1) + "\n")
    ids = load_file(MODELS / family / "io.safetensors")["input_ids"][:, :TOKENS].long()
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    save_file(dict(input_ids=ids.to(torch.int32), logits=logits.contiguous()), folder / "io.safetensors")
    print(name, sorted({k.split("lora_")[-1] for k in stored} | {k for k in stored if "lora_" not in k}))


for name, spec in ADAPTERS.items():
    make(name, *spec)
versions = dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__, bitsandbytes=bnb.__version__)
(OUT / "meta.json").write_text(json.dumps(dict(versions=versions, families={k: v[:2] for k, v in ADAPTERS.items()}), indent=1) + "\n")
