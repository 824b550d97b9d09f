"""What a model may answer to harm whoever reads the report."""

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "<!--", "-->", "<![CDATA[", "]]>", "&lt;script&gt;", "&#x3c;script&#x3e;",
    "\"' onmouseover=alert(1) x='",
    "javascript:alert(1)", "[click](javascript:alert(1))", "![x](https://evil.example/pixel.png)",
    "<https://evil.example>", "https://evil.example/track?x=1", "www.evil.example", "@everyone #1 GH-1",
    "```\n</code></pre><script>alert(1)</script>\n```", "~~~\n# heading\n~~~", "| a | b |\n| --- | --- |",
    "<details open>",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m", "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "\x9b31m",
    "a\rb", "back\x08space", "nul\x00", "bell\x07", "\x7f", "\x85\u2028\u2029",
    "\u202eoverride\u202c", "\u2066isolate\u2069", "\u200b\u200e\u200f\ufeff", "\U000e0041tag", "\ufffe\uffff",
    "\ue000",
    "{{7*7}} ${7*7} {% raw %}", "[bold]markup[/bold] :smile:", "%s %d {0} {x}", "a\u0300" * 200, "x" * 100_000,
)  # fmt: skip
