"""A real redis-server that is killed, stopped, emptied and put back, and what is in it."""

import os
import shutil
import signal
import subprocess
import time

from harness.local_socket import Unanswered, eventually


class Redis:
    """Listens on a Unix socket, keeps an append-only file."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = f"{folder}/redis.sock"
        self.process = None
        os.makedirs(folder, exist_ok=True)

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--appendonly", "yes",
             "--appendfsync", "everysec", "--save", "", "--logfile", f"{self.folder}/redis.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("redis-server answers", 20, lambda: self.command("PING") == "PONG")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def empty(self):
        shutil.rmtree(f"{self.folder}/appendonlydir", ignore_errors=True)

    def copy(self):
        """The append-only file as it is now."""
        time.sleep(1.2)
        target = f"{self.folder}/copy"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(f"{self.folder}/appendonlydir", target)
        return target

    def restore(self, copy):
        self.empty()
        shutil.copytree(copy, f"{self.folder}/appendonlydir")

    def command(self, *words):
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *words], capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    # What is in it, seen key by key at one moment each.

    SCRIPT = """
        local problems, owners = {}, {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
          if redis.call('PTTL', key) == -1 then problems[#problems + 1] = key .. ' never expires' end
          local prefix, id = string.match(key, '^(.*:v1:)r:(.*)$')
          if id then
            local fields = redis.call('HMGET', key, 'o', 'k', 'v', 'f')
            if not (fields[1] and fields[2] and fields[3] and fields[4]) then
              problems[#problems + 1] = key .. ' is half a record'
            else
              local floor = redis.call('GET', prefix .. 'f:' .. id)
              if floor ~= fields[3] .. 'l' then problems[#problems + 1] = key .. ' has another floor' end
              if redis.call('SISMEMBER', prefix .. 'o:' .. fields[1], id) == 0 then
                problems[#problems + 1] = key .. ' is not among its owner'
              end
              if not redis.call('ZSCORE', prefix .. 'index', id) then problems[#problems + 1] = key .. ' is not in the index' end
              if fields[2] == '3' then owners[#owners + 1] = fields[1] end
            end
          end
        end
        return { table.concat(problems, '\\n'), table.concat(owners, '\\n') }
    """

    def _look(self):
        # A read-only replica answers scripts, and one step of Redis sees no half of another.
        text = self.command("EVAL", self.SCRIPT, "0")
        if text.startswith(("ERR", "OOM", "Could not")):
            raise Unanswered(text)
        return text

    def broken(self):
        return [line for line in self._look().splitlines() if " " in line]

    def owners(self):
        """Peers whose own record is there."""
        return {line for line in self._look().splitlines() if line and " " not in line}
