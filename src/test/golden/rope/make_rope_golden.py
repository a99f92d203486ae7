"""Rotary tables and logits of one tiny random Llama under every kind of rope scaling: python make_rope_golden.py (writes beside itself).

Oracle: transformers (version in meta.json), float32 on the CPU, eager attention. The weights are the same in all cases, only
the configuration changes. meta.json holds each configuration in the spelling of old checkpoints (`config_old`) and in that of
transformers 5 (`config_new`); both must give the same tables. rope.safetensors holds, per case: `<case>.inv_freq` [16] and
`<case>.cos`, `<case>.sin` [length, 16] as they are after one forward pass over `length` tokens (attention factor multiplied in),
and `<case>.logits` [16, 64] of the last 16 positions. For `dynamic` the tables depend on the length, as transformers recomputes
them for the longest sequence of a call."""
import json, torch, transformers
from pathlib import Path
from safetensors.torch import save_file

OUT = Path(__file__).parent
BASE = dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, rms_norm_eps=1e-5, tie_word_embeddings=False, attention_bias=False, mlp_bias=False, hidden_act="silu", bos_token_id=1, eos_token_id=2)
CASES = {  # name: (theta, max positions, length, scaling)
    "default": (10000.0, 256, 160, None),
    "linear": (10000.0, 256, 160, dict(type="linear", factor=4.0)),
    "linear_fraction": (500000.0, 256, 160, dict(type="linear", factor=2.5)),
    "dynamic_short": (10000.0, 64, 48, dict(type="dynamic", factor=2.0)),
    "dynamic_at_limit": (10000.0, 64, 64, dict(type="dynamic", factor=2.0)),
    "dynamic_long": (10000.0, 64, 160, dict(type="dynamic", factor=2.0)),
    "dynamic_long_factor4": (10000.0, 64, 161, dict(type="dynamic", factor=4.0)),
    "llama3": (500000.0, 256, 160, dict(type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)),
    "yarn": (10000.0, 256, 160, dict(type="yarn", factor=4.0, original_max_position_embeddings=64)),
    "yarn_betas": (1000000.0, 256, 160, dict(type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=16.0, beta_slow=2.0)),
    "yarn_attention_factor": (10000.0, 256, 160, dict(type="yarn", factor=4.0, original_max_position_embeddings=64, attention_factor=0.9)),
    "yarn_mscale": (10000.0, 256, 160, dict(type="yarn", factor=4.0, original_max_position_embeddings=64, mscale=0.7, mscale_all_dim=1.2)),
    "yarn_not_truncated": (150000.0, 256, 160, dict(type="yarn", factor=4.0, original_max_position_embeddings=64, truncate=False)),
    "yarn_no_original": (10000.0, 256, 160, dict(type="yarn", factor=4.0)),
}

def configs(theta, positions, scaling):
    old = dict(BASE, max_position_embeddings=positions, rope_theta=theta, rope_scaling=scaling, torch_dtype="bfloat16")
    new = dict(BASE, max_position_embeddings=positions, dtype="bfloat16", head_dim=32,
               rope_parameters=dict({"rope_type" if k == "type" else k: v for k, v in (scaling or dict(type="default")).items()}, rope_theta=theta))
    return old, new

def model(config, state):
    m = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig.from_dict({k: v for k, v in config.items() if k not in ("dtype", "torch_dtype")}), attn_implementation="eager").float()
    if state is not None: m.load_state_dict(state)
    return m.eval()

torch.manual_seed(20); state = None; tensors = {}; cases = []
for name, (theta, positions, length, scaling) in CASES.items():
    old, new = configs(theta, positions, scaling)
    a, b = model(json.loads(json.dumps(old)), state), model(json.loads(json.dumps(new)), state)
    if state is None:
        with torch.no_grad():
            for n, p in a.named_parameters(): p.copy_((1 + 0.1 * torch.randn_like(p) if p.dim() == 1 else 0.15 * torch.randn_like(p)).bfloat16().float())
        state = a.state_dict(); b.load_state_dict(state)
        save_file({k: v.bfloat16().contiguous() for k, v in state.items()}, OUT / "model.safetensors", metadata=dict(format="pt"))
    ids = (torch.arange(length) * 29 + 5) % 61 + 3
    with torch.no_grad():
        logits, other = a(ids[None]).logits[0], b(ids[None]).logits[0]
        assert torch.equal(logits, other), name
        rope = a.model.rotary_emb; cos, sin = rope(torch.zeros(1), torch.arange(length)[None])
    tensors |= {name + ".inv_freq": rope.inv_freq.clone(), name + ".cos": cos[0, :, :16].contiguous(), name + ".sin": sin[0, :, :16].contiguous(), name + ".logits": logits[-16:].contiguous()}
    cases.append(dict(name=name, length=length, attention_factor=float(rope.attention_scaling), config_old=old, config_new=new))
save_file(tensors, OUT / "rope.safetensors")
(OUT / "meta.json").write_text(json.dumps(dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), ids="(i * 29 + 5) % 61 + 3 at position i", cases=cases), indent=1))
