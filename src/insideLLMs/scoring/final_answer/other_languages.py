"""The words of other languages that extraction knows: how an answer is announced, affirmed and denied.

Basic on purpose: the usual phrase of each language, and only where it can be told from prose.
"""

ANSWER_MARKERS = (
    r"respuesta(?: correcta| final)?(?: es\b|:)",
    r"réponse(?: correcte| finale| exacte)?(?: est\b| ?:)",
    r"antwort(?: ist\b| lautet\b|:){1,2}",
    r"resposta(?: correta| final| certa)?(?: é|:)",
    r"risposta(?: corretta| finale| esatta| giusta)?(?: è|:)",
    r"\brichtig (?:ist|wäre)\b",
    r"antwoord(?: is\b|:)",
    r"\bsvar(?:et)?(?: är| er\b|:)",
    r"odpowied(?:ź|zi)(?: to\b|:)",
    r"odpověď(?: je\b|:)",
    r"\bcevap\s?:",
    r"đáp án(?: đúng)?(?: là|:)",
    r"jawaban(?:nya)?(?: adalah|:)",
    r"\bответ\s?[:—–-]",
    r"(?:最终|正确|最終|正確)?答案(?:应该|应|應該)?(?:是|为|為)?\s?[::]?",
    r"(?:答え|正解|回答)(?:は|:)",
    r"(?:정답|대답|답)(?:은|:)",
    r"(?:الجواب|الإجابة)(?: الصحيحة)?(?: هو| هي)?\s?:?",
    r"उत्तर(?: है)?\s?:",
    r"התשובה(?: היא)?\s?:?",
    r"απάντηση(?: είναι|:)",
)

YES = (
    "yes", "yeah", "yep", "yup", "true", "correct", "affirmative", "sí", "sì", "oui", "ja", "sim", "да", "верно",
    "правда", "истина", "tak", "evet", "ano", "kyllä", "igen", "ναι", "verdadero", "vrai", "wahr", "richtig",
    "verdadeiro", "vero", "waar", "sant", "doğru", "prawda", "đúng", "ya", "benar", "נכון", "כן", "نعم", "صحيح",
    "हाँ", "हां", "सही",
)  # fmt: skip
NO = (
    "no", "nope", "false", "incorrect", "untrue", "negative", "nein", "non", "não", "нет", "неверно", "ложь",
    "неправда", "nie", "hayır", "ei", "nem", "όχι", "falso", "faux", "falsch", "nee", "nej", "onwaar", "falskt",
    "yanlış", "fałsz", "sai", "không", "tidak", "salah", "לא", "לא נכון", "لا", "خطأ", "नहीं", "गलत",
)  # fmt: skip

YES_UNSPACED = (
    "是的", "是", "对的", "对", "正确", "對", "正確", "没错", "はい", "正しい", "ええ",
    "네", "예", "맞습니다", "참", "그렇습니다",
)  # fmt: skip
NO_UNSPACED = (
    "不是", "不对", "不對", "不正确", "不正確", "否", "错误", "錯誤", "错", "不", "いいえ", "正しくない",
    "正しくありません", "違います", "間違い", "아니요", "아니오", "아닙니다", "거짓", "틀렸습니다", "틀립니다",
)  # fmt: skip
