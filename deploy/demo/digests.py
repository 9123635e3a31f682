"""SHA-256 of folders, several files at a time."""

import concurrent.futures
import hashlib
import os

_READ_BYTES = 1 << 20


class Digests:
    """What the source's files digest to, computed once, and the comparison of copies with it."""

    def __init__(self, folder):
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
        self._source = self._begin(folder)

    def finish_source(self):
        """Waits until the source is digested, so that this takes no processor from what is timed next."""
        self._finish(self._source)

    def differences(self, folders):
        """For each folder the names of files that are missing, differ, or are too many: [] when it is a true copy."""
        begun = [self._begin(folder) for folder in folders]
        expected = self._finish(self._source)
        return [self._compare(expected, self._finish(digests)) for digests in begun]

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _compare(expected, found):
        return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))

    @staticmethod
    def _finish(digests):
        return {name: future.result() for name, future in digests.items()}

    def _begin(self, folder):
        return {name: self._pool.submit(_sha256, os.path.join(folder, name)) for name in model_files(folder)}


def model_files(folder):
    """Names of the files that make the model, relative to the folder: hidden ones are not served."""
    names = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [os.path.relpath(os.path.join(place, name), folder) for name in files if not name.startswith(".")]
    return sorted(names)


def _sha256(path):
    digest, buffer = hashlib.sha256(), bytearray(_READ_BYTES)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()
