"""The anthropic package: a message, a stream, tokens counted, a tool."""

import os

from anthropic import Anthropic

SYSTEM = os.environ.get("SYSTEM", "You are a friendly clerk.")
client = Anthropic()
asked = {"model": "m", "max_tokens": 100, "system": SYSTEM}
print(client.messages.create(**asked, messages=[{"role": "user", "content": "What about refunds?"}]).model_dump_json())
with client.messages.stream(**asked, messages=[{"role": "user", "content": "Stream it"}]) as stream:
    print("".join(stream.text_stream))
counted = client.messages.count_tokens(model="m", system=SYSTEM, messages=[{"role": "user", "content": "How long?"}])
print(counted.input_tokens)
TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
turns = [{"role": "user", "content": "How is the weather?"}]
answer = client.messages.create(**asked, tools=TOOLS, messages=turns)
call = answer.content[0]
turns += [
    {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": f"Sunny in {call.input}"}]},
]
print(client.messages.create(**asked, tools=TOOLS, messages=turns).content[-1].text)
