"""A PydanticAI agent with a tool."""

import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

agent = Agent(OpenAIChatModel("m"), system_prompt=os.environ.get("SYSTEM", "You are a friendly clerk."))


@agent.tool_plain
def weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


done = agent.run_sync("How is the weather?")
print(done.output)
for message in done.all_messages():
    for part in message.parts:
        print(part.part_kind, getattr(part, "content", None), getattr(part, "args", None))
