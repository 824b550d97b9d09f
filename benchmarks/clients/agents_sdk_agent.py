"""An agent of the OpenAI Agents SDK with a tool."""

import os

from agents import Agent, Runner, function_tool, set_tracing_disabled

set_tracing_disabled(True)


@function_tool
def weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


instructions = os.environ.get("SYSTEM", "You are a friendly clerk.")
agent = Agent(name="clerk", instructions=instructions, model="m", tools=[weather])
done = Runner.run_sync(agent, "How is the weather?")
print(done.final_output)
for item in done.to_input_list():
    print(item)
