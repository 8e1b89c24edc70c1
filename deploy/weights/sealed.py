"""A folder that was sealed and put somewhere: in a bucket, on a web server.

Its manifest is the listing, so nothing but single files is asked for: any object store and any
web server will do. Its seal stands for the commit; without one that was asked for, whoever can
write there decides what is served.
"""

from datetime import UTC, datetime
from urllib.parse import quote

from deploy.failure import Exit, Failure
from deploy.source import Scheme, Source
from deploy.weights import manifest
from deploy.weights.files import MANIFEST, Digest, Listing, RemoteFile
from deploy.weights.settings import Bucket, Settings
from deploy.weights.signing import signed
from deploy.weights.web import Origin, Web

_ABSENT = (
    f"a prefix needs its {MANIFEST}: `bifocal weights seal FOLDER` writes it, then put "
    "the whole folder there (`aws s3 sync FOLDER s3://bucket/prefix`)"
)


def base_of(source: Source, bucket: Bucket) -> str:
    """The URL of the folder. Amazon's buckets are hosts, those of other stores are paths."""
    if source.scheme is Scheme.WEB:
        return source.name
    name, _, prefix = source.name.partition("/")
    path = f"/{quote(prefix)}" if prefix else ""
    if bucket.endpoint:
        return f"{bucket.endpoint}/{name}{path}"
    amazon = f"s3.{bucket.region}.amazonaws.com"
    if "." in name:  # no certificate covers a host of more parts
        return f"https://{amazon}/{name}{path}"
    return f"https://{name}.{amazon}{path}"


def origin_of(source: Source, settings: Settings) -> Origin:
    bucket = settings.bucket
    is_bucket = source.scheme is Scheme.S3
    base = base_of(source, bucket)
    keys = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may read it"
    return Origin(
        title=str(source),
        address=base,
        headers=lambda url: signed(url, bucket, datetime.now(UTC)) if is_bucket else {},
        reach="is the address right? A store other than Amazon's is named by AWS_ENDPOINT_URL"
        if is_bucket
        else "is the address right?",
        access=f"{keys}, and AWS_REGION to its region (now {bucket.region})"
        if is_bucket
        else "a web source is asked without a password",
        absent=_ABSENT,
        redirects=not is_bucket,  # a signature is for one host, and the keys' token for nobody else
    )


async def listing(web: Web, source: Source, settings: Settings) -> Listing:
    """Raises Failure."""
    base = base_of(source, settings.bucket)
    url = f"{base}/{MANIFEST}"
    found = manifest.decode(await web.read(url, manifest.MAX_BYTES), url)
    if source.pinned not in (None, found.seal):
        what = f"{url}: expected seal {source.pinned}, found {found.seal}"
        raise Failure(Exit.FAILED, what, "what is there is not what was asked for")
    files = (
        RemoteFile(each.name, each.size, Digest("sha256", each.sha256), f"{base}/{each.name}")
        for each in found.files
    )
    return Listing(found.seal, tuple(files), found.upstream or found.title)
