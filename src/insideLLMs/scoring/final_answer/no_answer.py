"""Whether an answer declines to answer: no ability, no knowledge, no will. English and a few others, by phrase.

A phrase list, not a classifier: it serves to tell "no answer" from an answer, not to measure refusals.
"""

import re

_CANNOT = (
    r"(?:can(?:not|'t| not)|could(?: not|n't)|won't|will not|(?:am |'m )?(?:not able|unable) to"
    r"|(?:do not|don't) (?:want|wish) to)"
)
_ANSWERING = (
    r"(?:help|assist|answer|provide|comply|respond|determine|tell|say|give|do (?:that|this|so)|fulfil+|discuss"
    r"|confirm|verify|offer|engage|share|complete|decide|be (?:determined|answered|known|said))"
)
_REFUSAL = re.compile(
    rf"\b(?:i|we)(?: (?:really|simply|just))? ?{_CANNOT} {_ANSWERING}\b"
    r"|\b(?:it|this|that|the (?:answer|question|truth))(?: simply)? (?:cannot|can't|can not|could not) be "
    r"(?:determined|answered|known|said|decided)\b"
    r"|\bi (?:do not|don't|dont) (?:really )?know"
    r"(?=\W*$|\W*[.!\n]| (?:the (?:exact |right |correct )?answer|that|this|what|which|who|whom|when|where|why|if"
    r"|whether|how|it"
    r"|for (?:sure|certain)|enough|anything|about|much)\b)|\bi have no (?:idea|opinion|way (?:of knowing|to))\b"
    r"|\bi(?:'m| am) (?:not sure|unsure|uncertain)\b|\bi (?:must|have to) (?:decline|refuse)\b"
    r"|(?:\bnot|n't|\bwithout) (?:have )?(?:enough|sufficient) information\b|\binsufficient information\b"
    r"|\bas an ai\b[^.\n]{0,80}\b(?:can't|cannot|do not|don't|unable|not able)\b"
    r"|\bi(?:'d| would)? need [^.\n]{0,60}to (?:answer|tell|say|know|solve|determine|calculate|choose|decide)\b"
    r"|\byou (?:did not|didn't|have not|haven't) (?:tell|told|sa(?:y|id)|give|given|specif|provid|mention)"
    r"|\bit depends\b|\bimpossible to (?:say|tell|know|determine)\b|\bno comment\b"
    # other languages
    r"|\bje ne (?:sais|peux) pas\b|\bno (?:lo )?sé\b|\bno puedo\b"
    r"|\bich (?:weiß (?:es )?nicht|kann (?:das |dir |ihnen )?nicht)\b"
    r"|\bnão (?:sei|posso)\b|\bnon (?:lo )?so\b|я не (?:знаю|могу)"
    r"|我?不知道|无法(?:回答|确定|提供)"
    r"|わかりません|分かりません|お答えできません"
    r"|모르겠|답변할 수 없",
    re.IGNORECASE,
)


def gives_no_answer(text: str) -> bool:
    """Whether `text` (made readable) says that it gives no answer."""
    return _REFUSAL.search(text) is not None
