#include "closure/python_imports.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/format.h"

namespace flense::closure {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> python_names(std::string_view text, bool path_file = false) {
  std::vector<std::string> out;
  const TakePythonName take = [&](std::string_view name, PythonMention how, std::uint32_t line) {
    constexpr const char* kKinds[] = {"import", "call", "start", "command", "text"};
    out.push_back(fmt::format("{} {} {}", line, kKinds[static_cast<int>(how)], name));
  };
  path_file ? scan_python_path_file(text, take) : scan_python(text, take);
  return out;
}

TEST(PythonImports, StatementsInAllForms) {
  EXPECT_THAT(python_names("import os, numpy.linalg as la\n"
                           "from a.b import c as d, e\n"
                           "from x import (  # why\n"
                           "    y,\n"
                           "    z,\n"
                           ")\n"
                           "from p.q import *\n"
                           "try: import fast; import slow\n"
                           "except ImportError:\n"
                           "    import \\\n"
                           "        later\n"),
              ElementsAre("1 import os", "1 import numpy.linalg", "2 import a.b.c",
                          "2 import a.b.e", "4 import x.y", "5 import x.z", "7 import p.q",
                          "8 import fast", "8 import slow", "11 import later"));
}

TEST(PythonImports, WhatOnlyLooksLikeOne) {
  EXPECT_THAT(python_names("from . import sibling\n"
                           "from ..up import other\n"
                           "'''import quoted\n"
                           "from quoted import too'''\n"
                           "# import comment\n"
                           "def f():\n"
                           "    yield from generator\n"
                           "    raise E from error\n"
                           "importer = 3\n"
                           "x.import_ = {1: 2}\n"),
              IsEmpty());
}

TEST(PythonImports, NamesInCallsAndLiterals) {
  EXPECT_THAT(
      python_names("m = importlib.import_module('pkg.back' 'end')\n"
                   "__import__(\"legacy\")\n"
                   "import_module('.local', __name__)\n"
                   "subprocess.run(['nvidia-smi', '-L'])\n"
                   "os.system('ldconfig -p | grep cuda')\n"
                   "LOOP = 'uvicorn.loops.uvloop:setup'\n"
                   "print('this is prose, not a name')\n"
                   "f'{x}.y'; r\"/etc/app.conf\"; b'bytes'\n"),
      ElementsAre("1 call pkg.back", "1 text end", "2 call legacy", "4 start nvidia-smi",
                  "4 text -L", "5 command ldconfig -p | grep cuda",
                  "6 text uvicorn.loops.uvloop:setup", "8 text /etc/app.conf", "8 text bytes"));
}

TEST(PythonImports, DamagedTextEndsAtTheLine) {
  EXPECT_THAT(python_names("x = 'open\nimport after\n"),
              ElementsAre("1 text open", "2 import after"));
  EXPECT_THAT(python_names("f(1, [2\nimport margin\n"), ElementsAre("2 import margin"));
  EXPECT_THAT(python_names("import a.\nfrom\nfrom b import\nimport"), ElementsAre("1 import a"));
  EXPECT_THAT(python_names("'''never closed\nimport x"), IsEmpty());
  EXPECT_THAT(python_names("x = \"end\\"), IsEmpty());
}

TEST(PythonImports, PathFilesNameDirectoriesAndRunImports) {
  EXPECT_THAT(python_names("# comment\n"
                           "/opt/app/src\r\n"
                           "import _distutils_hack; x = 'shim'\n"
                           "\n"
                           "../editable\n",
                           true),
              ElementsAre("2 text /opt/app/src", "3 import _distutils_hack", "3 text shim",
                          "5 text ../editable"));
}

}  // namespace
}  // namespace flense::closure
