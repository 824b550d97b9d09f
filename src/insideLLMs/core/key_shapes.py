"""What keys look like, whatever name they stand under."""

import re

_RANDOM = rb"(?=[A-Za-z0-9_./+~-]{0,40}?(?=[A-Za-z]{0,9}\d)[A-Za-z0-9]{10})"
"""Ahead are ten letters and digits without a break: `sk-learn-contrib-2024` begins as keys do, and has no such run."""
_SHAPES = (
    rb"(?:sk|pk|rk|gsk|r8|xai|pplx|nvapi|lsv2|pypi|tgp|fw|csk)[-_]" + _RANDOM + rb"[A-Za-z0-9_-]{16,}",
    rb"hf_[A-Za-z0-9]{30,}",  # of letters alone, mostly
    rb"gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}",
    rb"AIza[0-9A-Za-z_-]{30,}",
    rb"gh[pousr]_[A-Za-z0-9]{30,}",
    rb"github_pat_[A-Za-z0-9_]{22,}",
    rb"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])",
    rb"xox[abeprs]-[A-Za-z0-9-]{10,}",
    rb"xapp-\d-[A-Za-z0-9]+-\d+-[0-9a-f]{16,}",
    rb"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}",
    rb"(?:npm|shpat|shpss|whsec|dckr_pat|dop_v1|ntn|sntryu|sntrys|jina|pcsk|figd|glsa|lin_api)_[A-Za-z0-9_]{20,}",
    rb"(?:tvly-|GOCSPX-|ya29\.|AQ\.|1//0|hvs\.|sq0(?:atp|csp)-|ATATT3)[A-Za-z0-9_-]{20,}",
    rb"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
    rb"NRAK-[A-Z0-9]{27}(?![A-Z0-9])",
    rb"\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
    rb"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    rb"(?:dapi|SK|sbp_|key-|fc-)[0-9a-f]{32,40}(?![0-9a-f])",
    rb"(?i:bearer|basic) " + _RANDOM + rb"[A-Za-z0-9_./+~-]{16,}=*",
)
KEY_SHAPES = re.compile(
    rb"(?<![A-Za-z0-9])(?:" + rb"|".join(_SHAPES) + rb")"
    rb"|(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}|(?<=SharedAccessKey=)[A-Za-z0-9+/]{40,}={0,2}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*(?:-----END [A-Z ]{0,40}-----)?"
    rb"|(?<=://)[^/@\s\"]{0,200}:[^/@\s\"]{1,200}(?=@)"
)
"""Keys of OpenAI, Anthropic, Google, GitHub, Amazon, Azure and others, tokens, passwords in URLs."""
