"""A LangGraph agent with a tool."""

import os

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

SYSTEM = os.environ.get("SYSTEM", "You are a friendly clerk.")


@tool
def weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


agent = create_agent(ChatOpenAI(model="m"), [weather], system_prompt=SYSTEM)
for message in agent.invoke({"messages": [("user", "How is the weather?")]})["messages"]:
    print(message.type, message.content, getattr(message, "tool_calls", None))
