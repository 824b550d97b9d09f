"""The openai package: chat, a stream, responses, embeddings, the list of models, and calls at once."""

import asyncio
import os

from openai import AsyncOpenAI, OpenAI

SYSTEM = os.environ.get("SYSTEM", "You are a friendly clerk.")
client = OpenAI()


def chat(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


print(client.chat.completions.create(model="m", messages=chat("What about refunds?")).model_dump_json())
for chunk in client.chat.completions.create(model="m", messages=chat("Stream it"), stream=True):
    print(chunk.model_dump_json())
print(client.responses.create(model="m", instructions=SYSTEM, input="Where is my parcel?").model_dump_json())
for event in client.responses.create(model="m", instructions=SYSTEM, input="Stream, please", stream=True):
    print(event.type)
print(client.embeddings.create(model="e", input=["a", "bc"], encoding_format="float").data[1].embedding)
print([model.id for model in client.models.list()])


async def at_once():
    asking = AsyncOpenAI()
    answers = await asyncio.gather(
        *(asking.chat.completions.create(model="m", messages=chat(f"Question {number}")) for number in range(8))
    )
    print([answer.choices[0].message.content for answer in answers])


asyncio.run(at_once())
