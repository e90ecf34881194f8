"""Recipes for running jobs at set times."""

import re
import shlex
import shutil
import sys
from pathlib import Path

from aps_async.cli.profile_choice import as_chosen, chosen
from aps_async.lazy import regex

_PLAIN = regex(r"[\w/.%$-]+", re.ASCII)
RECIPES = """\
Run a job of {file} at set times. Each recipe runs 'nightly' at 02:30: use your job's name, see 'aps-async run --list'.
Sign in once as the user that the schedule runs as ('aps-async login'), or keep the variables of the app
(APS_CLIENT_ID, APS_CLIENT_SECRET, APS_USER_ID) where only that user can read them, and never in {file}.
A run that meets another one in its folder ends at once with exit code 8, so runs never overlap.
To repeat often instead, put watch = "15m" into the job and start it once as a service.

cron: 'crontab -e', then one line. cron mails what is printed; its PATH is short, hence the full path.

    30 2 * * * {cron} run nightly --file {cron_path}

systemd: two files in ~/.config/systemd/user/

    # aps-async-nightly.service
    [Unit]
    Description=aps-async: nightly
    Wants=network-online.target
    After=network-online.target
    [Service]
    Type=oneshot
    ExecStart={unit} run nightly --file {unit_path}
    # The app's variables, in a file with mode 600; remove the line if you signed in.
    EnvironmentFile=-%h/.config/aps-async/environment

    # aps-async-nightly.timer
    [Timer]
    OnCalendar=*-*-* 02:30
    Persistent=true
    [Install]
    WantedBy=timers.target

  then: systemctl --user daemon-reload
        systemctl --user enable --now aps-async-nightly.timer
        loginctl enable-linger            (so that it also runs while you are logged out)
  logs: journalctl --user -u aps-async-nightly.service
  For a job with watch: Type=exec and Restart=on-failure instead of Type=oneshot, no timer, and WantedBy=default.target
  in an [Install] section of the service; systemctl --user enable --now aps-async-nightly.service.

Windows Task Scheduler: in PowerShell, as the user that runs it. A missed run is made up for when the machine is on.

    $words = '{windows_words}run nightly --file "{windows_path}"'
    $action = New-ScheduledTaskAction -Execute '{windows}' -Argument $words
    $trigger = New-ScheduledTaskTrigger -Daily -At 02:30
    $settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -MultipleInstances IgnoreNew
    Register-ScheduledTask -TaskName 'aps-async nightly' -Action $action -Trigger $trigger -Settings $settings
"""


def recipes(file: Path) -> str:
    """Recipes for cron, systemd and the Windows Task Scheduler, with the paths of this machine."""
    found = shutil.which("aps-async")
    program = [found] if found else [sys.executable, "-m", "aps_async"]
    program += shlex.split(chosen())
    path = str(file.absolute())
    return as_chosen(RECIPES).format(
        file=file.name,
        cron=" ".join(map(_for_cron, program)),
        cron_path=_for_cron(path),
        unit=" ".join(map(_for_systemd, program)),
        unit_path=_for_systemd(path),
        windows=program[0].replace("'", "''"),
        windows_words="".join(f"{each} " for each in program[1:]),
        windows_path=path.replace("'", "''"),
    )


def _for_cron(word: str) -> str:
    """A word for a shell, in a file where `%` ends the command."""
    return shlex.quote(word).replace("%", "\\%")


def _for_systemd(word: str) -> str:
    """A word of `ExecStart`, where `%` and `$` have a meaning."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if _PLAIN.fullmatch(escaped) else f'"{escaped}"'
