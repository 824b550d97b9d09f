"""Words that turn a statement around: negations of many languages, and English words by the pole they stand at.

Lists, and lists have holes: they keep a similarity from hiding a turn that they know, and promise no more.
"""

NEGATIONS = (
    "not no never none nothing nobody nowhere neither nor without cannot hardly barely scarcely rarely seldom unable "
    "nope lack lacks lacking fails failed "  # English
    "nicht kein keine keinen keinem keiner keines nie niemals nichts niemand ohne nein "  # German
    "ne pas jamais aucun aucune rien personne sans ni "  # French
    "nunca jamás nada nadie ningún ninguna ninguno sin tampoco "  # Spanish
    "não nem nenhum nenhuma ninguém sem "  # Portuguese
    "non mai niente nessun nessuno nessuna senza né "  # Italian
    "niet geen nooit niets zonder nee "  # Dutch
    "inte inget ingen aldrig utan ikke aldri uten "  # Swedish, Norwegian, Danish
    "nie żaden bez nigdy ne není nikdy "  # Polish, Czech
    "не нет ни никогда ничего никто без "  # Russian
    "değil yok hayır asla "  # Turkish
    "không chưa tidak bukan jangan "  # Vietnamese, Indonesian
    "لا ليس ليست لم لن غير नहीं मत न לא אין "  # Arabic, Hindi, Hebrew
)
"""Words of their own; a contraction with n't counts as well."""

OPPOSING_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "anti")
"""What turns a word around when it is put before it: likely, unlikely."""

UNSPACED_NEGATIONS = (
    "不", "没", "沒", "无", "無", "非", "未", "别", "ない", "ません", "なかった",
    "않", "없", "아니", "못",
)  # fmt: skip

POLES = {
    "yes": ("yes yeah yep",),
    "true/false": ("true correct right accurate", "false incorrect wrong inaccurate untrue"),
    "up/down": (
        (
            "increas* rise* rose rising risen grew grow* up upward* climb* gain* higher raise* more above greater "
            "larger bigger exceed* over longer faster highest most maximum best better improv*"
        ),
        (
            "decreas* fall falls fell falling fallen shrink* shrank down downward* drop* decline* declining loss* "
            "lower reduc* less fewer below under smaller shorter slower lowest least minimum worst worse worsen* "
            "deteriorat*"
        ),
    ),
    "good/bad": (
        "good positive great excellent happy pleased satisfied like liked likes love* recommend* praise*",
        "bad negative poor terrible awful unhappy displeased dissatisfied dislike* hate* complain* criticis* criticiz*",
    ),
    "allowed/forbidden": (
        "allow* permit* approv* accept* grant* authoris* authoriz* confirm* agree*",
        "forbid* forbad* prohibit* ban banned deny denied denies reject* declin* refus* disallow* disagree* revok*",
    ),
    "safe/unsafe": ("safe safely secure harmless", "unsafe dangerous* insecure harmful risky toxic"),
    "success/failure": ("succe* pass passes passed win wins won", "fail* lose loses lost crash* broke broken"),
    "on/off": (
        "enabl* open opens opened start* begin* began active* available include* including add*",
        "disabl* close* closed stop* end ends ended off inactive unavailable exclude* excluding remov* delet*",
    ),
    "possible/impossible": ("possible able", "impossible"),
    "valid/invalid": ("valid legal eligible", "invalid illegal ineligible"),
    "all/some": ("all every each always everyone everything entire*", "some sometimes partly partial* occasional*"),
    "must/may": ("must required mandatory", "may might could optional*"),
    "before/after": ("before earlier prior previous* early", "after later following subsequent* late"),
    "first/last": ("first", "last"),
    "left": ("left",),
    "north/south": ("north*", "south*"),
    "east/west": ("east*", "west*"),
    "hot/cold": ("hot warm* heat*", "cold cool* chill*"),
    "buy/sell": ("buy* bought purchas*", "sell* sold"),
    "give/take": ("give* gave send* sent lend*", "take* took receiv* borrow*"),
    "hundreds": ("hundred*",), "thousands": ("thousand*",), "millions": ("million*",), "billions": ("billion*",),
    "dozens": ("dozen*",), "half": ("half halv*",), "double": ("twice doubl*",), "treble": ("thrice tripl*",),
    "quarter": ("quarter*",),
}  # fmt: skip
"""By axis, the words at either end, or at the one that there is; a star stands for any ending."""
