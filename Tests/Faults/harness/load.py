"""Publishers that are not there but for what they say: one process of the build's MeshLoad."""

import os
import subprocess


class MeshLoad:
    def __init__(self, cluster, seeds, publishers, records, seconds, term, beacon=None, stop_share=0, stop_after=0,
                 living=None):
        command = [
            f"{cluster.programs}/MeshLoad", "publish", "--seed", ",".join(seeds), "--token",
            f"{cluster.folder}/keys/token", "--publishers", str(publishers), "--records", str(records), "--seconds",
            str(seconds), "--term-seconds", str(term), "--beacon-seconds", str(beacon or max(1, term // 4)),
            "--stop-share", str(stop_share), "--stop-after", str(stop_after)]
        if living:
            command += ["--living", living]
        environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
