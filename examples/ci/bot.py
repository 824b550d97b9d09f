"""A support bot that knows only what its system prompt tells it: it stands for your model, and needs no key."""

TOPICS = {"refund": "14 days", "shipping": "3 to 5 days", "warranty": "2 years", "phone": "0800 123"}


def answer(messages: list[dict[str, str]]) -> str:
    """Answer the last message from the system prompt; what that does not say, the bot does not know."""
    system = " ".join(message["content"] for message in messages if message["role"] == "system")
    question = messages[-1]["content"].lower()
    facts = [fact for topic, fact in TOPICS.items() if topic in question and fact in system]
    return f"That is {', '.join(facts)}." if facts else "I do not know. Please ask our team."
