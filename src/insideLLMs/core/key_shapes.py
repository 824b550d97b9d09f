"""What keys look like, whatever name they stand under."""

import re

KEY_SHAPES = re.compile(
    rb"(?<![A-Za-z0-9])(?:(?:sk|pk|rk|gsk|r8|hf|xai|pplx|nvapi|glpat|lsv2|pypi|tgp|fw|csk)[-_](?=[A-Za-z_-]*\d)"
    rb"[A-Za-z0-9_-]{16,}|AIza[0-9A-Za-z_-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|"
    rb"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])|xox[abeprs]-[A-Za-z0-9-]{10,}|"
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,})"
    rb"|(?<![A-Za-z0-9])(?:(?:npm|shpat|shpss|whsec|dckr_pat|dop_v1|ntn|sntryu|sntrys|jina)_[A-Za-z0-9_]{20,}|"
    rb"(?:tvly-|GOCSPX-|ya29\.|AQ\.)[A-Za-z0-9_-]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|"
    rb"(?:dapi|SK)[0-9a-f]{32}(?![0-9a-f]))"
    rb"|(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}|(?<=SharedAccessKey=)[A-Za-z0-9+/]{40,}={0,2}"
    rb"|(?i:(?<![A-Za-z])(?:bearer|basic) (?=[A-Za-z_./+~-]*\d)[A-Za-z0-9_./+~-]{16,}=*)"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
    rb"|(?<=://)[^/@\s\"]{1,200}:[^/@\s\"]{1,200}(?=@)"
)
"""Keys of OpenAI, Anthropic, Google, GitHub, Amazon, Azure and others, tokens, passwords in URLs."""
