"""Real kinds of devices: numbers that somebody has published, each with the page that says so.

Memory and storage are what the board has: an operating system takes its part, so a study's own numbers go first
(``class = "raspberry-pi-4"`` and ``memory = "1 GB"``). Rates of links are left to the study, since they belong to a
place. Speeds are of different programs, in different precisions: right within a factor of a few, not within per cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HPL = "https://github.com/geerlingguy/top500-benchmark"


@dataclass(frozen=True)
class _DeviceClass:
    """One kind of device.

    Attributes:
        settings: as in a ``[devices.NAME]`` table.
        sources: for every setting, how it was found, and where.
    """

    settings: Mapping[str, str]
    sources: Mapping[str, str]


CLASSES: Mapping[str, _DeviceClass] = {
    "raspberry-pi-zero-2-w": _DeviceClass(
        {"memory": "512 MB", "compute": "0.37 GFLOP/s", "energy_per_flop": "5.7 nJ"},
        {
            "memory": "data sheet, https://datasheets.raspberrypi.com/rpizero2/raspberry-pi-zero-2-w-product-brief.pdf",
            "compute": f"HPL in double precision, {HPL}",
            "energy_per_flop": f"2.1 W of the whole board during HPL, divided by its speed, {HPL}",
        },
    ),
    "raspberry-pi-4": _DeviceClass(
        {"memory": "2 GB", "compute": "11.9 GFLOP/s", "energy_per_flop": "0.61 nJ"},
        {
            "memory": "smallest board of the product brief, "
            "https://datasheets.raspberrypi.com/rpi4/raspberry-pi-4-product-brief.pdf",
            "compute": f"HPL in double precision, {HPL}",
            "energy_per_flop": f"7.2 W of the whole board during HPL, divided by its speed, {HPL}",
        },
    ),
    "jetson-nano": _DeviceClass(
        {"memory": "4 GB", "storage": "16 GB"},
        {
            "memory": "data sheet, https://developer.nvidia.com/embedded/jetson-nano",
            "storage": "eMMC of the module, https://developer.nvidia.com/embedded/jetson-nano",
        },
    ),
    "phone": _DeviceClass(
        {"memory": "4 GB", "storage": "64 GB", "compute": "47.6 GFLOP/s"},
        {
            "memory": "Pixel 3, https://support.google.com/pixelphone/answer/7158570",
            "storage": "Pixel 3, https://support.google.com/pixelphone/answer/7158570",
            "compute": "MobileNetV1 in 23.9 ms on four cores of a Pixel 3, "
            "https://github.com/tensorflow/tensorflow/blob/v2.10.0/tensorflow/lite/g3doc/performance/measurement.md, "
            "at 569 million multiply-adds, https://arxiv.org/abs/1704.04861",
        },
    ),
    "esp32": _DeviceClass(
        {"memory": "520 kB", "storage": "4 MB", "compute": "0.475 GFLOP/s"},
        {
            "memory": "data sheet, https://www.espressif.com/sites/default/files/documentation/esp32_datasheet_en.pdf",
            "storage": "flash of the module, "
            "https://www.espressif.com/sites/default/files/documentation/esp32-wroom-32e_esp32-wroom-32ue_datasheet_en.pdf",
            "compute": "single-precision multiply-adds of one core, https://github.com/wled/WLED/issues/4206",
        },
    ),
}
"""Every class of devices by name."""
