"""The settings of uploaded files."""

from dataclasses import dataclass
from importlib.util import find_spec

from xmpp.config.configuration import setting

DISK, S3 = "disk", "s3"


def _check_address(address: str) -> None:
    if address and (not address.startswith(("https://", "http://")) or address.endswith("/")):
        raise ValueError("expected an address such as https://files.example.org, without a slash at its end")


@dataclass(frozen=True)
class UploadSettings:
    """Files that people upload and send each other links to, at upload.DOMAIN (XEP-0363); see docs/files.md."""

    label: str = setting("upload", "What comes before the domain in the address of the service.", restart=True)
    address: str = setting("", "Where clients put and get files if that is not the address of the HTTP side, such as "
                           "`https://files.example.org`. It has to lead to this server, and its name has to be among "
                           "`names` of [web].", check=_check_address)  # fmt: skip
    max_file_bytes: int = setting(100_000_000, "The largest file.", minimum=1, maximum=5_000_000_000_000,
                                  at_most=("max_bytes_per_day", "max_account_bytes"), by_domain=True)  # fmt: skip
    max_bytes_per_day: int = setting(1_000_000_000, "How much one account may upload in a day.",
                                     minimum=1, maximum=1 << 60, by_domain=True)  # fmt: skip
    max_account_bytes: int = setting(2_000_000_000, "How much is kept of one account.", minimum=1, maximum=1 << 60,
                                     at_most="max_bytes", by_domain=True)  # fmt: skip
    max_account_files: int = setting(5_000, "How many files are kept of one account, and given slots in a day.",
                                     minimum=1, maximum=20_000)  # fmt: skip
    max_open_slots: int = setting(50, "How many files one account may begin to upload at the same time.",
                                  minimum=1, maximum=1_000)  # fmt: skip
    max_bytes: int = setting(20_000_000_000, "How much is kept of all accounts together.", minimum=1, maximum=1 << 60)
    min_free_bytes: int = setting(1_000_000_000, "How much of the disk is left free for other things, such as the "
                                  "database: no file is taken that would need it.",
                                  minimum=0, maximum=1 << 60, restart=True)  # fmt: skip
    days: int = setting(30, "How many days files are kept. 0: until they are deleted.", minimum=0, maximum=36_500)
    max_profile_file_bytes: int = setting(5_000_000, "The largest file of a profile, such as an avatar.",
                                          minimum=1, maximum=1 << 40, at_most="max_profile_bytes")  # fmt: skip
    max_profile_bytes: int = setting(20_000_000, "How much is kept of one account's profile: the oldest files make "
                                     "room for new ones.", minimum=1, maximum=1 << 50)  # fmt: skip
    profile_days: int = setting(0, "How many days files of profiles are kept. 0: until they are deleted.",
                                minimum=0, maximum=36_500)  # fmt: skip
    permanent: bool = setting(False, "Whether people may upload files that stay until they are deleted.")
    put_seconds: int = setting(300, "How long after asking a client may begin to upload.", minimum=10, maximum=86_400)
    store: str = setting(DISK, "Where files are kept: in the folder `uploads` beside the database, or at a service "
                         "that speaks S3.", choices=(DISK, S3), restart=True)  # fmt: skip
    s3_bucket: str = setting("", "The bucket, which is there and is for this server alone.", restart=True)
    s3_prefix: str = setting("", "What names of files there begin with.", restart=True)
    s3_endpoint: str = setting("", "The address of the service, such as `https://s3.example.org`. Empty: Amazon's.",
                               check=_check_address, restart=True)  # fmt: skip
    s3_region: str = setting("", "Its region.", restart=True)
    s3_access_key: str = setting("", "The access key. Empty: boto3 finds it in the environment.", restart=True)
    s3_secret_key: str = setting("", "The secret key.", secret=True, restart=True)

    def __post_init__(self) -> None:
        if self.store == S3 and not self.s3_bucket:
            raise ValueError("store is s3, and there is no s3_bucket")
        if self.store == S3 and find_spec("boto3") is None:
            raise ValueError("store is s3, which needs the library boto3: install xserv[s3]")
