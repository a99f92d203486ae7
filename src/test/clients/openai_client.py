"""The official openai client for Python against a running server: python openai_client.py http://127.0.0.1:8080"""

import sys

import openai
from openai import OpenAI

url = sys.argv[1]
client = OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
model = client.models.list().data[0].id
question = [{"role": "user", "content": "What is the capital of France?"}]

whole = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=32)
text = whole.choices[0].message.content
assert text and whole.choices[0].finish_reason in ("stop", "length"), whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens, whole.usage
print(f"complete: {text!r} ({whole.usage.completion_tokens} tokens)")

pieces, finish, usage = [], None, None
for chunk in client.chat.completions.create(
    model=model, messages=question, temperature=0, max_tokens=32, stream=True, stream_options={"include_usage": True}
):
    if chunk.usage:
        usage = chunk.usage
    for choice in chunk.choices:
        pieces.append(choice.delta.content or "")
        finish = choice.finish_reason or finish
assert "".join(pieces) == text, (pieces, text)
assert finish == whole.choices[0].finish_reason and usage.total_tokens == whole.usage.total_tokens
print(f"stream: the same text in {len(pieces)} pieces")

scored = client.chat.completions.create(
    model=model, messages=question, temperature=0, max_tokens=4, logprobs=True, top_logprobs=3, n=2
)
assert len(scored.choices) == 2
for choice in scored.choices:
    for token in choice.logprobs.content:
        assert len(token.top_logprobs) == 3 and token.logprob == max(t.logprob for t in token.top_logprobs), token
print("n=2 with logprobs: greedy tokens are the most likely ones")

echoed = client.completions.create(model=model, prompt=["Once upon", "a time"], max_tokens=1, echo=True, logprobs=1)
assert [c.text.startswith(p) for c, p in zip(echoed.choices, ["Once upon", "a time"])] == [True, True], echoed
assert echoed.choices[0].logprobs.token_logprobs[0] is None
print("completions: two prompts, echoed and scored")

with client.chat.completions.create(model=model, messages=question, max_tokens=512, stream=True) as stream:
    next(iter(stream))
print("stream closed after its first piece")

for expected, code, request in [
    (openai.NotFoundError, "model_not_found", dict(model="no-such-model", messages=question)),
    (openai.BadRequestError, None, dict(model=model, messages=question, temperature=3)),
    (openai.BadRequestError, "context_length_exceeded", dict(model=model, messages=question, max_tokens=10_000_000)),
]:
    try:
        client.chat.completions.create(**request)
        raise SystemExit(f"{request} was not refused")
    except expected as error:
        assert code is None or error.code == code, error
        print(f"{type(error).__name__}: {error.body['message']}")
