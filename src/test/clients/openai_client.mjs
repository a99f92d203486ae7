// The official openai client for Node against a running server: node openai_client.mjs http://127.0.0.1:8080
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, modules] = process.argv.slice(2);
const entry = modules ? createRequire(`${modules}/`).resolve("openai") : "openai";
const { default: OpenAI } = await import(modules ? pathToFileURL(entry) : entry);

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const model = (await client.models.list()).data[0].id;
const request = {
  model,
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
  max_tokens: 32,
};

const whole = await client.chat.completions.create(request);
const text = whole.choices[0].message.content;
assert.ok(text);
console.log(`complete: ${JSON.stringify(text)} (${whole.usage.completion_tokens} tokens)`);

let streamed = "";
let pieces = 0;
let finish = null;
for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
  const choice = chunk.choices[0];
  streamed += choice?.delta?.content ?? "";
  finish = choice?.finish_reason ?? finish;
  pieces++;
}
assert.equal(streamed, text);
assert.equal(finish, whole.choices[0].finish_reason);
console.log(`stream: the same text in ${pieces} chunks`);

const helper = client.chat.completions.stream(request);
assert.equal(await helper.finalContent(), text);
console.log("stream helper: the same text");

const aborted = await client.chat.completions.create({ ...request, max_tokens: 512, stream: true });
for await (const _ of aborted) {
  aborted.controller.abort();
  break;
}
console.log("stream aborted after its first chunk");

await assert.rejects(client.chat.completions.create({ ...request, model: "no-such-model" }), (error) => {
  assert.equal(error.status, 404);
  assert.equal(error.code, "model_not_found");
  console.log(`${error.constructor.name}: ${error.message}`);
  return true;
});
