"""The terminal recording of the documentation: an animated SVG of what the tests run."""

from html import escape

_LINE, _CHARACTER, _MARGIN = 20, 8.4, 16
_COMMAND_S, _OUTPUT_S = 1.2, 0.25
"""How long a command, and a line that it printed, stand before the next line appears."""
_STYLE = """
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d6deeb; white-space: pre; }
.command { fill: #ffffff; font-weight: bold; }
.failed { fill: #ff6b6b; font-weight: bold; }
@media (prefers-reduced-motion: no-preference) {
  text { opacity: 0; animation: show 0.1s forwards; }
  @keyframes show { to { opacity: 1; } }
}
"""


def recording(session):
    """Return a console block as an SVG whose lines appear one after the other; without motion all are there."""
    lines, now_s, drawn = session.splitlines(), 0.5, []
    for number, line in enumerate(lines):
        kind = "command" if line.startswith("$ ") else "failed" if line.startswith("FAILED") else "output"
        y = _MARGIN + _LINE * (number + 0.75)
        drawn.append(
            f'<text class="{kind}" x="{_MARGIN}" y="{y:g}" style="animation-delay: {now_s:.2f}s">{escape(line)}</text>'
        )
        now_s += _COMMAND_S if kind == "command" else _OUTPUT_S
    width = 2 * _MARGIN + _CHARACTER * max(map(len, lines))
    height = 2 * _MARGIN + _LINE * len(lines)
    box = '<rect width="100%" height="100%" rx="8" fill="#10151f"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">'
    title = "<title>A terminal: two runs, and a diff that fails the gate</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", box, *drawn, "</svg>\n"])
