"""What is said without being claimed: the wording of questions, offers, notes, reports, conditions and corrections.

English first; of other languages the usual phrase. Each pattern is tried on one sentence or clause.
"""

import re


def _starts(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\W{{0,4}}(?:{'|'.join(phrases)})", re.IGNORECASE)


def _holds(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_END = r"(?:\b|(?<=[^\x00-\x7f]))"

QUESTION = re.compile(r"[?？][\"')\]*]{0,3}$")

OFFER = _starts(
    r"(?:please )?(?:let me know|feel free|don't hesitate|do not hesitate|tell me (?:if|whether|which)|ask me)",
    r"(?:would|do|did) you (?:like|want|need|prefer)|shall i|should i|want me to|i hope|hope (?:this|that|it)",
    r"if you(?:'d| would)? (?:like|want|need|have|wish|prefer|are interested)|is there anything|anything else",
    r"(?:i can|i could|i'd be|i'll be|i am|i'm|happy to|glad to)(?: be)?(?: also| always)? (?:happy|glad|show"
    r"|explain|help"
    r"|provide|give you|walk|here to|share|go (?:over|through)|break|offer|write|list|suggest|elaborate)",
    r"thanks? (?:you )?for|good luck|have a (?:nice|great)|you can (?:also )?(?:ask|check|find|read|see)|i recommend",
    r"for (?:more|further) (?:details|information|help|questions)|see also",
    r"sag mir|lass mich wissen|ich hoffe|wenn du (?:möchtest|magst|willst)|wenn sie (?:möchten|wünschen)",
    r"dime si|avísame|espero que|si (?:quieres|deseas|necesitas|tienes)|me avise|se quiser|fammi sapere|spero che"
    r"|se vuoi",
    r"n'hésite|j'espère|si (?:tu veux|vous (?:voulez|souhaitez|avez))|je peux (?:aussi|vous|te)",
    r"дайте знать|если (?:хотите|нужно)|надеюсь|如果你|如果您|如需|希望|需要我",
)
"""How a sentence begins that offers more, asks back, or takes leave."""

NOTE = _starts(
    r"p\.?s\.? |(?:note|notes|n\.b\.|nb|p\.?s\.?|disclaimer|caveat|sources?|references?|fun fact|bonus|tip|hint"
    r"|trivia|aside|remark"
    r"|side note|background|hinweis|anmerkung|quelle|nota|fuente|remarque|примечание|注|备注|注意|補足|参考)"
    r"(?: [a-z]+){0,4}\s?[:：]",
    r"(?:please )?note that|(?:keep|bear) in mind|remember that|interestingly|incidentally|by the way",
    r"for (?:reference|comparison|context|the record)|to (?:check|verify|double-check|confirm)\b|as a (?:check|sanity)",
    r"according to (?:some|others|many|most|popular|legend|a (?:common|popular))\b",
    r"(?:i'?m |i am )?(?:about |almost )?\d{1,3} ?% (?:sure|certain|confident|positive)"
    r"(?: (?:of|about|in) (?:this|that|it|my answer))?[.!]?$",
    r"(?:check|verification|sanity check|double-check|proof)\s?:|we can (?:check|verify)"
    r"|let me (?:double-)?(?:check|verify)",
)
"""How a sentence begins that adds to an answer without being it."""

_MISTAKE = (
    r"(?:misconceptions?|mistakes?|errors?|myths?|beliefs?|traps?|pitfalls?|fallacy|fallacies|confusions?|assumptions?"
    r"|guess(?:es)?|intuitions?|misunderstandings?|distractors?|superstitions?|slips?|answer|response|choice|reply)"
)
_OTHERS = (
    r"(?:some|many|most|several|few|lots of|others|people|students?|pupils|folks|everyone|everybody|someone|somebody"
    r"|anyone|critics|sceptics|skeptics|textbooks?|beginners|laymen|readers|rumou?rs?|legend|tradition|(?:you|one"
    r"|we)(?:'d| (?:may|might|could|would))"
    r"|(?:the|my|a|his|her) (?:user|student|author|teacher|textbook|asker|candidate|prompt|friend|classmate"
    r"|colleague|brother|sister))"
)
_HOLD = (
    r"(?:(?:think|believe|assume|suppose|expect|suspect|imagine|misremember|mistake|confuse|thought)(?:s|d|ed)?"
    r"|be tempted|tells? (?:you|us|me|them)|(?:say|said|claim|argue|guess|insist|conclude|answer|choose|pick|wrote"
    r"|write|state)(?:s|d|ed)?"
    r"(?: that| the answer| it(?:'s| is| was)|[:,]? [\"']| option| [A-Z]\b))"
)
REPORTED = _holds(
    r"\b(?:common|popular|frequent|typical|usual|widespread|classic|tempting|easy|obvious|na[iï]ve|intuitive"
    rf"|(?:a|the|one) wrong|mistaken|false)(?: \w+){{0,2}} {_MISTAKE}\b",
    r"\b(?:a|the|this|another|old|urban|by|an) (?:myth|misconception|fallacy|misbelief|mistake|error|legend)\b"
    r"[^.\n]{0,20}\b(?:that|to|is)\b",
    rf"\b{_OTHERS}\b(?: [\w']+){{0,5}}? {_HOLD}\b",
    r"\b(?:i|we) (?:really |very much |seriously |strongly )?doubt\b|\bdoubtful (?:that|whether|if)\b",
    r"\bi (?:first|initially|originally|previously|at first|once|used to)\b",
    r"\b(?:at first|initially|originally)\b[^.\n]{0,40}\b(?:thought|think|seem|look|appear|guess)",
    r"\bit (?:is|may be|might be|would be|'s) (?:often|sometimes|widely|commonly|wrongly|mistakenly|tempting|easy)\b",
    r"\b(?:widely|commonly|often|sometimes|wrongly|mistakenly|popularly|falsely) (?:thought|believed|said|assumed|held"
    r"|claimed|supposed)\b",
    r"^\W{0,3}(?:but )?(?:they|he|she|these people|those people) (?:is|are|was|were)(?: \w+)? (?:wrong|mistaken"
    r"|incorrect)\b",
    r"\b(?:you|the question|i was|we are|we were) (?:are |is )?(?:ask|wonder|want to know)(?:s|ed"
    r"|ing)? (?:me )?(?:whether|if)\b",
    r",? (?:which|that) (?:is|was|would be) (?:simply |just )?(?:wrong|false|incorrect|untrue|mistaken|an error"
    r"|a mistake|not (?:right|correct))\b",
    r"\baccording to (?:some|others|many|most|popular|legend|a (?:common|popular))\b",
    r"\b(?:wrong|incorrect|mistaken|tempting|easy|natural) to (?:say|think|claim|assume|conclude|believe|answer"
    r"|expect)\b",
    r"^\W{0,3}(?:despite|contrary to|unlike|as opposed to)\b",
    r"\b(?:manche|viele|einige|die meisten|man könnte|häufiger (?:irrtum|fehler))\b[^.\n]{0,40}"
    r"\b(?:denk|glaub|mein|sag|halt|ist|dass)",
    r"\b(?:much[oa]s?|algun[oa]s?|la gente|error común|un mito|muit[oa]s?|molt[ei]|alcuni)\b[^.\n]{0,40}"
    r"\b(?:piensa|cree|dice|es\b|que\b|ach|pens|cred|dizem|dicono)",
    r"\b(?:beaucoup|certains|les gens|on (?=croit|pense|dit)|on pourrait"
    r"|erreur (?:courante|fréquente)|un mythe)\b[^.\n]{0,40}"
    r"\b(?:pens|croi|di[ts]|est|que)",
    r"(?:很多人|有些人|有人|人们|常见的?误解|常见的?错误)|(?:многие|некоторые) (?:думают|считают|говорят)",
    r"распространённ\w+ (?:ошибк|заблужден)",
)
"""A clause that tells what others hold, or what one held before."""

_IF = r"\b(?:if(?! i (?:had to|must|were to))|only when|unless|provided that|assuming|in case)\b"
SUPPOSED = _holds(
    _IF, r"^\W{0,3}had\b|\b(?:were|otherwise|in that case|without|suppos(?:e|ing)|hypothetically|wenn|si|se)\b"
)
WOULD = _holds(r"\b(?:would|could|might|wäre|sería|serait|sarebbe)\b|'d\b")
"""A clause that supposes something and says what would be is about what is not the case."""
CONDITION = _holds(_IF)
CHOSEN = _holds(r"\b(?:answer|option|choice|correct|right)\b")
"""A clause that chooses under a condition counts where nothing is said without one."""

SEEMING = _holds(
    r"\b(?:seems?|looks?|appears?|says?|said|answer(?:ed)?|guess(?:ed)?|choose|chose|pick(?:ed)?|tempting|instinct"
    r"|intuition|sounds?|would expect|used to be|was once|formerly|could be|might be|may be)\b(?! (?:is|was|has)\b)",
)
"""A clause that is taken back if a turn ("but", "however") follows."""

NEGATED = _holds(r"\b(?:not|never|neither|cannot)\b|n't\b")
"""A clause that is dropped if the next one says what is so instead: "it isn't A; it's B"."""

TURN = re.compile(
    r"\W{0,3}(?:but|however|yet|in fact|in reality|actually|the (?:correct|right|actual|true|real)|aber|jedoch|sondern"
    rf"|mais|cependant|pero|sin embargo|mas|ma|però|но|但|可是|不过|然而|しかし){_END}[ ,:]*",
    re.IGNORECASE,
)
INSTEAD = re.compile(r"\W{0,3}(?:it's|it is|that's|but|rather|instead)\b", re.IGNORECASE)

CLAUSE = re.compile(
    r"((?:;| [–—]| -{1,2}) +"
    r"|, +\(?(?=but\b)|,? +(?=but (?:it|its|the|that|this|they|he|she|i|we|in|not|now|actually|probably|rather"
    r"|[a-z]|\d+)\b)"
    r"|,? +\(?(?=(?:however|yet|although|though|even though|whereas|despite|contrary to|in fact|in reality|aber"
    r"|jedoch|obwohl|sondern|mais|cependant|bien que|pero|aunque|sin embargo|mas|embora|ma|però|anche se|но|хотя)\b)"
    r"|, +(?=(?:so|therefore|thus|hence|while|instead|the (?:correct|right|actual|true|real)|it's|it is|actually"
    r"|not(?! (?:only|just|necessarily)))\b)"
    r"|(?:(?<= wrong)|(?<=mistaken)|(?<=incorrect)): +(?=it's|it is|the )"
    r"|, +(?=and (?:anyone|those|people|some|many|others|whoever)\b)"
    r"|[,，](?=(?:虽然|尽管|但|可是|不过|然而|しかし)))",
    re.IGNORECASE,
)
"""What separates the clauses of a sentence that may differ in who holds them."""

_OPENER = (
    r"(?:sure(?: thing)?|okay|ok|alright|well|hmm+|hm|let me (?:think|see)(?: about (?:it|this)| this through)?"
    r"|here you go|let's (?:see|think)"
    r"|of course|certainly|absolutely|(?:with)?out (?:a |any )?doubt|no doubt"
    r"|(?:great|good|excellent|interesting|nice) question|thanks for asking|happy to help|gladly|klar|gerne|gute frage"
    r"|claro|por supuesto|buena pregunta|bien sûr|d'accord|bonne question|certo|boa pergunta|buona domanda|好的|当然"
    r"|这是个?好问题|конечно|хороший вопрос)"
)
OPENER = re.compile(rf"\W{{0,3}}{_OPENER}\W{{0,3}}", re.IGNORECASE)
"""A sentence that only opens an answer."""
PREFACE = re.compile(
    rf"^\W{{0,3}}(?:(?:contrary to|despite|unlike)\b[^,\n]{{0,80}}, +"
    r"|(?:although|though|even though|while)\b[^,\n]{0,60}\b(?:seem|look|appear|sound|plausible|tempting|think"
    r"|believe|say|argue)"
    rf"[^,\n]{{0,60}}, +|(?:but )?(?:if i (?:had to|must) (?:guess|bet|choose|pick|say)|if you ask me"
    rf"|in my (?:view|opinion)), +"
    rf"|{_OPENER}{_END}(?: ?[!.,:…，！]{{1,3}} ?| [–—-]{{1,2}} )(?=\S))",
    re.IGNORECASE,
)
"""What opens a sentence without saying anything."""
HEAD = re.compile(r"^\W{0,3}(?!(?:if|had|were)\b)[^\s,]{1,30}, (?=\S)", re.IGNORECASE)
"""The one word before a comma with which a sentence answers: "Yes, although many think otherwise"."""

BRACKETED = re.compile(
    r" ?\((?:since|because|as|where|i\.e\.|e\.g\.|not|rounded|approx|from|using|note|formerly|previously|see|which"
    r"|if|or)\b"
    r"[^()\n]{0,200}\)",
    re.IGNORECASE,
)
"""A remark in brackets within a sentence."""

CORRECTION = re.compile(
    r"(?:^|(?<=[.!?…] )|(?<=\n)|(?<=[–—] )|(?<=- )|(?<=, ))(?:(?:oh|hmm|oops|no|ah|sorry)[,.!]? ){0,2}"
    r"(?:wait|oops|actually(?=,| no\b)|correction|(?:scratch|strike|scrap) that|on (?:second thought|reflection)"
    r"|let me (?:correct|re-?check|re-?consider|re-?calculate|re-?do|fix)|hold on|my mistake|i mean|or rather"
    r"|just kidding|i(?:'m| am) (?:just )?(?:kidding|joking)"
    r"|i (?:made (?:a|an) (?:mistake|error)|was wrong|misread|miscounted|need to correct|stand corrected)"
    r"|upon (?:re-?reading|reflection|review)|that's (?:wrong|not right|incorrect)|(?<=, )no(?=, \S)"
    r"|warte|korrektur|espera|perdón|corrección|attends|attendez|aspetta|espere|подождите|стоп|等等|不对|更正|待って"
    rf"){_END}(?!-)",
    re.IGNORECASE,
)
"""From here on an answer says better what it said before."""

BUT_NOT = re.compile(
    r"\b(?:(?:not|nor) [^,.;:\n]{1,30}, )?(?:not|nicht) (?!(?:sure|certain|positive|only|just|simply|entirely"
    r"|completely|absolutely|quite|really|enough|too"
    r"|100)\b)(?:the |a |an )?(?:[^\s,.;:]{1,30} ){0,3}?[^\s,.;:]{1,30},? (?:but(?: rather)?|sondern) (?=\S)"
    r"|不是[^,，。\n]{1,20}[,，]? ?而(?=是)|(?<=は)[^、。,\n]{1,15}(?:ではなく|じゃなくて)、?"
    r"|,? (?:rather than|instead of|as opposed to) (?:[^\s,.;:]{1,30} ?){1,4}(?=[.,;:!\n]|$)"
    r"|\b(?:no|non|ne|não) (?=(?:es|est|è|é)\b)(?P<be>es|est|è|é) (?:pas )?[^,.;:\n]{1,40}?,? (?:sino|mais|bensì|mas) ",
    re.IGNORECASE,
)
"""What "not A but B", "B rather than A" says besides B."""
