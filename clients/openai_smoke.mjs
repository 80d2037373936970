// What an application sees through OpenAI's own JavaScript client, as one JSON object on stdout. tests/clients reads it.
//   BASE_URL=http://127.0.0.1:8000/v1 API_KEY=cfk_live_... node clients/openai_smoke.mjs
import OpenAI, { APIError, AuthenticationError } from "openai";

const { BASE_URL: baseURL, API_KEY: apiKey, MODEL: model = "auto", PRICELESS: priceless } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Where is my order?" }];
const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

async function failing(call) {
  try {
    await call();
  } catch (error) {
    const { status, code, type, message, headers, error: body } = error;
    return {
      isApiError: error instanceof APIError, isAuthenticationError: error instanceof AuthenticationError, name: error.constructor.name,
      status, code, type, message, body, requestID: headers?.get("x-request-id"),
    };
  }
  return null;
}

async function streamed(request) {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
    chunks.push(chunk);
  }
  return {
    text: chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""),
    roles: chunks.map((chunk) => chunk.choices[0]?.delta?.role).filter(Boolean),
    finishes: chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean),
    usage: chunks.at(-1).usage,
    cascadeflow: chunks.find((chunk) => chunk.cascadeflow)?.cascadeflow,
  };
}

const { data: completion, response, request_id } = await client.chat.completions.create({ model, messages, user: "ann" }).withResponse();
const runner = client.chat.completions.stream({ model, messages: [{ role: "user", content: "Use get_weather for Berlin." }], tools });
const models = [];
for await (const listed of client.models.list()) models.push(listed.id);

console.log(
  JSON.stringify({
    completion, requestID: request_id, runID: response.headers.get("x-cascadeflow-run-id"), models,
    stream: await streamed({ model, messages }),
    tool: (await client.chat.completions.create({ model, messages: [{ role: "user", content: "Use get_weather for Berlin." }], tools })).choices[0],
    streamedTool: (await runner.finalChatCompletion()).choices[0],
    wrongKey: await failing(() => new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).models.list()),
    wrongModel: await failing(() => client.chat.completions.create({ model: "gpt-9", messages })),
    spent: await failing(() => new OpenAI({ baseURL, apiKey }).chat.completions.create({ model, messages, user: priceless })),
  }),
);
