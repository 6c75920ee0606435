"""Where a run saves its files: a folder, or an address of an object store such as ``s3://bucket/songs``.

- ``folder.py`` the protocol of an output, and the folder
- ``address.py`` reads an address, and hides its credentials
- ``store.py`` reads and writes whole objects by fsspec, with retries and checks
- ``uploading.py`` the address: files are completed in a local folder, then uploaded
"""

from musicapi_async.bulk.output.address import address_of
from musicapi_async.bulk.output.folder import FolderOutput, Output
from musicapi_async.bulk.output.store import StoreLimits
from musicapi_async.bulk.output.uploading import AddressOutput

__all__ = ["AddressOutput", "FolderOutput", "Output", "StoreLimits", "address_of"]
