// The openai package of npm: chat, a stream, responses, and calls at once.
import OpenAI from "openai";

const SYSTEM = process.env.SYSTEM ?? "You are a friendly clerk.";
const client = new OpenAI();
const chat = (text) => ({
  model: "m",
  messages: [
    { role: "system", content: SYSTEM },
    { role: "user", content: text },
  ],
});
console.log(JSON.stringify(await client.chat.completions.create(chat("What about refunds?"))));
for await (const chunk of await client.chat.completions.create({ ...chat("Stream it"), stream: true })) {
  console.log(JSON.stringify(chunk));
}
console.log(JSON.stringify(await client.responses.create({ model: "m", instructions: SYSTEM, input: "Where is it?" })));
const asked = [1, 2, 3, 4].map((number) => client.chat.completions.create(chat(`Question ${number}`)));
console.log(JSON.stringify((await Promise.all(asked)).map((answer) => answer.choices[0].message.content)));
