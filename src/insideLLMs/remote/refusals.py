"""What it means that a store refused something, and what to do: by its status and its own code, the rest is not shown.

The texts of the client may repeat a signed URL.
"""

import re

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.credentials import CREDENTIALS_FIX
from insideLLMs.remote.url import RemoteUrl

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([\w.]+)</Code>|\"code\": ?\"?([A-Za-z]\w*)")
_REGION = re.compile(r"<Region>([a-z0-9-]+)</Region>")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
FIX_BUCKET = "check the bucket's name and your region, or make the bucket"
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_INVALID = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed"}
_OTHER_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
_RACES = {"ConditionalRequestConflict", "OperationAborted"}
_METADATA_SERVICE = "169.254.169.254"
"""Where a machine of a cloud asks for its own credentials: the last place in which they are looked for."""

_LATER = "run the command again later, or ask who runs the store"
_IN_TIME = "check the network and the store, and run the command again"
_TOLD: dict[str, tuple[str, str]] = {
    "clock": ("this machine's clock is not the store's", "set the clock: timedatectl set-ntp true"),
    "full": ("the store has no room left, or its quota is used up", "make room there, or ask who runs the store"),
    "large": (
        "the store takes no object of this size",
        "ask who runs the store, or a proxy before it, to take larger ones; --compress makes a run smaller",
    ),
    "busy": ("the store is busy", "run the command again later, or fewer at once"),
    "time": ("no answer came in time", _IN_TIME),
    "unknown": (
        "the store does not know this kind of request",
        "use one that knows conditional writes, and reach it without a proxy that changes requests",
    ),
    "long": ("the key is too long", "choose a shorter one; S3 takes 1,024 bytes"),
    "archived": ("the object is in an archive", "restore it there first, or give another one"),
    "account": ("the account at the store is disabled, or not paid", "ask who owns the account"),
    "key": ("the key that encrypts the bucket cannot be used", "ask who owns the bucket"),
    "name": ("that is not the name of a bucket", FIX_BUCKET),
}
_WHAT = {
    "RequestTimeTooSkewed": "clock",
    "QuotaExceeded": "full",
    "InsufficientStorage": "full",
    "XMinioStorageFull": "full",
    "XMinioBucketQuotaExceeded": "full",
    "507": "full",
    "EntityTooLarge": "large",
    "RequestBodyTooLarge": "large",
    "MaxMessageLengthExceeded": "large",
    "413": "large",
    "SlowDown": "busy",
    "ServerBusy": "busy",
    "429": "busy",
    "503": "busy",
    "RequestTimeout": "time",
    "OperationTimedOut": "time",
    "408": "time",
    "504": "time",
    "405": "unknown",
    "411": "unknown",
    "501": "unknown",
    "KeyTooLongError": "long",
    "InvalidBucketName": "name",
    "InvalidResourceName": "name",
    "OutOfRangeInput": "name",
    "InvalidObjectState": "archived",
    "BlobArchived": "archived",
    "BlobBeingRehydrated": "archived",
    "AllAccessDisabled": "account",
    "AccountProblem": "account",
    "AccountIsDisabled": "account",
    "402": "account",
    "KMS.DisabledException": "key",
    "KMS.NotFoundException": "key",
    "KMS.KMSInvalidStateException": "key",
}
"""What codes and statuses come to, of S3 and what speaks its protocol, of Azure and of Google."""


class PassingError(RemoteError):
    """A fault after which nobody knows whether the store did what it was asked."""


def names_no_bucket(text: str) -> bool:
    """Whether a store says that it has no such bucket."""
    return any(told in text for told in _NO_BUCKET)


def no_bucket(url: RemoteUrl) -> RemoteError:
    """Return the error of a bucket that is not there."""
    return RemoteError(f"{url}: there is no bucket {url.bucket!r}", fix=FIX_BUCKET)


def is_race(text: str) -> bool:
    """Whether two requests met, so that it is not known what is there now; Azure says 409 where it is known, too."""
    return _first(_CODE, text) in _RACES


def refusal(url: RemoteUrl, done: str, text: str, kind: str) -> RemoteError:
    """Say in our own words why an object cannot be read or written."""
    problem, fix = _reason(url, text, kind)
    kind_of_error = PassingError if _may_pass(text) else RemoteError
    return kind_of_error(f"{url} cannot be {done}: {problem}", fix=fix)


def _may_pass(text: str) -> bool:
    """Whether the same request may succeed soon: a fault of the server, or none of its answers came."""
    status = _first(_STATUS, text)
    return status is None or status in {"408", "409", "429"} or status.startswith("5") or "RequestTimeout<" in text


def _reason(url: RemoteUrl, text: str, kind: str) -> tuple[str, str]:
    status, code = _first(_STATUS, text), _first(_CODE, text)
    what = _WHAT.get(code or "") or _WHAT.get(status or "")
    if what is not None:
        problem, fix = _TOLD[what]
        return f"{problem} ({code or status})", fix
    return _of_credentials(url, status, code, kind) or _of_answer(url, status, code, text)


def _of_credentials(url: RemoteUrl, status: str | None, code: str | None, kind: str) -> tuple[str, str] | None:
    log_in = CREDENTIALS_FIX[url.scheme]
    if code in _EXPIRED:
        return "your credentials have expired", f"log in again, or {log_in}"
    if code in _INVALID or status == "401" or kind == "UnauthenticatedError":
        return f"the store does not accept your credentials ({code or status})", log_in
    if status == "403" or kind == "PermissionDeniedError":
        return f"your credentials may not do that ({code or 403})", "ask who owns the bucket for that right"
    return None


def _of_answer(url: RemoteUrl, status: str | None, code: str | None, text: str) -> tuple[str, str]:
    said = text.partition("Debug source")[0].lower()
    if status in {"301", "307"} or "redirect" in said or code in _OTHER_REGION:
        region = _first(_REGION, text)
        return "its bucket is in another region", f"set AWS_REGION to {region or 'the region of the bucket'}"
    if code in _NO_BUCKET:
        return f"there is no bucket {url.bucket!r}", FIX_BUCKET
    if status is not None:
        told = f"the store answers {status}{f' ({code})' if code else ''}"
        return told, _LATER if _may_pass(text) else "ask who runs the store what that means"
    if "redential" in text or "metadata" in said or _METADATA_SERVICE in text:
        return "there are no credentials", CREDENTIALS_FIX[url.scheme]
    if "timed out" in said or "TimedOut" in text or "kind: Timeout" in text:
        return _TOLD["time"]
    variable = ", and AWS_ENDPOINT_URL where it is set" if url.scheme == "s3" else ""
    return "the store cannot be reached", f"check the network{variable}"


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else next(filter(None, found.groups()), None)
