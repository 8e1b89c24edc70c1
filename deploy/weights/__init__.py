"""Weights brought to a node: from Hugging Face, ModelScope, a bucket or a web server.

Every origin becomes one `Listing` (files with size and digest), and one downloader serves them
all. Pure: `files` (which files are taken), `signing`, `pace`, `disk`'s decision. Acting: `hub`,
`modelscope`, `sealed` (ask an origin for its listing), `web`, `part`, `download`, `lock`, `pull`;
`fetcher` is all of it as a pool's replica is handed it. Which pool needs which weights is not
decided here.
"""

from deploy.source import Scheme, Source, parse
from deploy.weights.check import Listed, Verified, listed, seal, verify
from deploy.weights.files import MANIFEST
from deploy.weights.manifest import Manifest
from deploy.weights.pull import Pulled, Told, pull
from deploy.weights.settings import Settings

__all__ = [
    "MANIFEST",
    "Listed",
    "Manifest",
    "Pulled",
    "Scheme",
    "Settings",
    "Source",
    "Told",
    "Verified",
    "listed",
    "parse",
    "pull",
    "seal",
    "verify",
]
