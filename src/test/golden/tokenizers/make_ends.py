"""What transformers puts around a text: python make_ends.py TOKENIZERS (a folder with one of each name in ENDS; writes ends.json beside itself).

Each tokenizer.json is taken as written, without a post-processor (`none`), and with one that adds both ends (`both`), under the
classes that checkpoints name, with add_bos_token and add_eos_token absent, true and false in tokenizer_config.json. A case holds the
ids of TEXT with special tokens; `transformers` is the version that made them."""
import itertools, json, sys, tempfile
from pathlib import Path
import transformers
from transformers import AutoTokenizer

TEXT = "Once upon a time"
ENDS = {"llama2-bpe": ("<s>", "</s>"), "llama3-bpe": ("<|begin_of_text|>", "<|eot_id|>"), "qwen2-bpe": ("<|endoftext|>", "<|im_end|>"),
        "nightshift-tiny": ("<|endoftext|>", "<|im_end|>")}
CLASSES = {"llama2-bpe": ["LlamaTokenizer", "LlamaTokenizerFast"], "llama3-bpe": ["PreTrainedTokenizerFast"], "qwen2-bpe": ["Qwen2Tokenizer"],
           "nightshift-tiny": ["GPT2Tokenizer", "PreTrainedTokenizerFast"]}

def both(bos, eos, ids):
    one = lambda token, of: {"SpecialToken": {"id": token, "type_id": of}}
    text = lambda name, of: {"Sequence": {"id": name, "type_id": of}}
    special = {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in (bos, eos)}
    return {"type": "TemplateProcessing", "single": [one(bos, 0), text("A", 0), one(eos, 0)],
            "pair": [one(bos, 0), text("A", 0), one(eos, 0), one(bos, 1), text("B", 1), one(eos, 1)], "special_tokens": special}

cases = []
for name, (bos, eos) in ENDS.items():
    written = json.loads((Path(sys.argv[1]) / name / "tokenizer.json").read_text())
    ids = {t["content"]: t["id"] for t in written["added_tokens"]}
    processors = {"written": written.get("post_processor"), "none": None, "both": both(bos, eos, ids)}
    for (kind, processor), cls, (add_bos, add_eos) in itertools.product(processors.items(), CLASSES[name], [(None, None), (True, None), (False, None), (True, True), (False, False)]):
        with tempfile.TemporaryDirectory() as folder:
            config = {"tokenizer_class": cls, "bos_token": bos, "eos_token": eos, "add_bos_token": add_bos, "add_eos_token": add_eos}
            (Path(folder) / "tokenizer.json").write_text(json.dumps(dict(written, post_processor=processor)))
            (Path(folder) / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
            cases.append(dict(tokenizer=name, post_processor=kind, config={k: v for k, v in config.items() if v is not None}, ids=AutoTokenizer.from_pretrained(folder).encode(TEXT)))
    processors.pop("written")
    for case in cases:
        if case["tokenizer"] == name and case["post_processor"] == "both":
            case["processor"] = processors["both"]
head = json.dumps({"transformers": transformers.__version__, "text": TEXT})[:-1]
(Path(__file__).parent / "ends.json").write_text(head + ', "cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
