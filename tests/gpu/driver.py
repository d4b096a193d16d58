"""The CUDA driver through ctypes. As a program: prints the first GPU as sm_XY, or the reason why
there is none and status 1."""

import ctypes
import sys


class NoGpu(Exception):
    """No driver or no device; the text says which."""


class Driver:
    def __init__(self):
        try:
            self.cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise NoGpu(f"no CUDA driver ({error})") from error
        self._need("cuInit", ctypes.c_uint(0))
        count = ctypes.c_int()
        self._need("cuDeviceGetCount", ctypes.byref(count))
        if count.value == 0:
            raise NoGpu("the CUDA driver sees no device")
        self.device = ctypes.c_int()
        self._need("cuDeviceGet", ctypes.byref(self.device), ctypes.c_int(0))

    def call(self, name, *arguments):
        return getattr(self.cuda, name)(*arguments)

    def error(self, status):
        text = ctypes.c_char_p()
        self.cuda.cuGetErrorName(status, ctypes.byref(text))
        return text.value.decode() if text.value else str(status)

    def _need(self, name, *arguments):
        status = self.call(name, *arguments)
        if status != 0:
            raise NoGpu(f"{name}: {self.error(status)}")

    def capability(self):
        values = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
            value = ctypes.c_int()
            self._need("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), self.device)
            values.append(value.value)
        return values

    def make_current(self):
        context = ctypes.c_void_p()
        self._need("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self._need("cuCtxSetCurrent", context)

    def load_fat_binary(self, data):
        """The name of the status; the module is unloaded again."""
        module = ctypes.c_void_p()
        status = self.call("cuModuleLoadFatBinary", ctypes.byref(module), data)
        if status == 0:
            self.call("cuModuleUnload", module)
        return self.error(status)


if __name__ == "__main__":
    try:
        major, minor = Driver().capability()
        print(f"sm_{major}{minor}")
    except NoGpu as reason:
        print(reason)
        sys.exit(1)
