// The table of waste.h. Each row's level says how sure it is that nothing reads the files at run
// time: safe = regenerated or never read; standard = read only by builds, people and profilers;
// aggressive = some programs do read them, or the removal costs start-up time.
#include "inventory/names/waste.h"

namespace flense::inventory {

namespace {

using device::Level;
using Patterns = std::string_view;

constexpr Patterns kAptLists[] = {"var/lib/apt/lists/**"};
constexpr Patterns kAptListsKeep[] = {"var/lib/apt/lists/lock"};

constexpr Patterns kPackageCaches[] = {"var/cache/apt/**",
                                       "var/cache/yum/**",
                                       "var/cache/dnf/**",
                                       "var/cache/libdnf5/**",
                                       "var/cache/zypp/**",
                                       "var/cache/apk/**",
                                       "etc/apk/cache/**",
                                       "var/cache/pacman/pkg/**",
                                       "var/lib/dpkg/*-old",
                                       "var/cache/debconf/*-old",
                                       "var/cache/ldconfig/aux-cache"};

constexpr Patterns kPythonCaches[] = {"**/.cache/pip/**", "**/.cache/uv/**",
                                      "**/.cache/pypoetry/**", "**/.cache/pipenv/**",
                                      "**/.cache/pdm/**"};
// Poetry's environments lie in its cache directory unless it is told otherwise.
constexpr Patterns kPythonCachesKeep[] = {"**/.cache/pypoetry/virtualenvs/**"};

// The packages directory of conda holds what was unpacked for an installation; files of the
// environment may be hard links into it, which the accounting follows.
constexpr Patterns kCondaPackages[] = {"opt/mamba/pkgs/**",
                                       "opt/micromamba/pkgs/**",
                                       "opt/*conda*/pkgs/**",
                                       "opt/mini*forge*/pkgs/**",
                                       "opt/mambaforge*/pkgs/**",
                                       "root/*conda*/pkgs/**",
                                       "root/mini*forge*/pkgs/**",
                                       "root/mambaforge*/pkgs/**",
                                       "root/micromamba/pkgs/**",
                                       "home/*/*conda*/pkgs/**",
                                       "home/*/mini*forge*/pkgs/**",
                                       "home/*/mambaforge*/pkgs/**",
                                       "home/*/micromamba/pkgs/**",
                                       "usr/local/*conda*/pkgs/**",
                                       "usr/local/mini*forge*/pkgs/**",
                                       "**/.local/share/mamba/pkgs/**",
                                       "**/.cache/rattler/cache/pkgs/**"};

constexpr Patterns kNodeCaches[] = {"**/.npm/_cacache/**", "**/.cache/yarn/**",
                                    "**/.cache/node-gyp/**"};

constexpr Patterns kInstallLogs[] = {
    "var/log/apt/**",   "var/log/dpkg.log", "var/log/alternatives.log", "var/log/bootstrap.log",
    "var/log/dnf*.log", "var/log/yum.log",  "var/log/lastlog",          "var/log/faillog"};

constexpr Patterns kTemporary[] = {"tmp/**", "var/tmp/**"};

constexpr Patterns kArchives[] = {"**/*.deb", "**/*.rpm", "**/cuda_*_linux.run",
                                  "**/NVIDIA-Linux-*.run"};
constexpr Patterns kArchivesKeep[] = {"opt/nvidia/**"};

// Wheels that a package was installed from. venv and virtualenv install pip from theirs.
constexpr Patterns kWheels[] = {"**/*.whl"};
constexpr Patterns kWheelsKeep[] = {"**/ensurepip/**", "**/virtualenv/**", "usr/share/**",
                                    "**/share/python-wheels/**"};

// Where people unpack by hand. Elsewhere an archive may well be what the image serves.
constexpr Patterns kLeftArchives[] = {
    "*.tar",         "*.tar.gz",   "*.tgz",         "*.tar.bz2",      "*.tar.xz",
    "root/*.tar.gz", "root/*.tgz", "root/*.tar.xz", "root/*.tar.bz2", "usr/src/*.tar.*",
    "opt/*.tar.gz",  "opt/*.tgz",  "opt/*.tar.xz",  "opt/*.tar.bz2"};

constexpr Patterns kLogs[] = {"var/log/*.log",      "var/log/*.log.*",  "var/log/*/*.log",
                              "var/log/*/*.log.*",  "var/log/btmp*",    "var/log/wtmp*",
                              "var/log/journal/**", "var/log/messages", "var/log/syslog*",
                              "var/log/anaconda/**"};

// NVRTC's second build and its built-ins: nothing in the CUDA libraries lists or names them, and
// programs that know them try the first one first. Elsewhere (Nix) they are the only ones.
constexpr Patterns kNvrtcAlternative[] = {
    "**/site-packages/nvidia/**/libnvrtc*.alt.*", "**/dist-packages/nvidia/**/libnvrtc*.alt.*",
    "usr/local/cuda*/**/libnvrtc*.alt.*",         "opt/*conda*/lib/libnvrtc*.alt.*",
    "opt/*conda*/targets/*/lib/libnvrtc*.alt.*",  "**/envs/*/lib/libnvrtc*.alt.*",
    "**/envs/*/targets/*/lib/libnvrtc*.alt.*"};

constexpr Patterns kCommunication[] = {"**/libnccl.so*",
                                       "**/librccl.so*",
                                       "**/libnccl-net.so*",
                                       "**/libnvshmem.so*",
                                       "**/libnvshmem_host.so*",
                                       "**/nvshmem_transport_ibrc.so*",
                                       "**/nvshmem_transport_ibgda.so*",
                                       "**/nvshmem_transport_ibdevx.so*",
                                       "**/nvshmem_transport_ucx.so*",
                                       "**/nvshmem_transport_libfabric.so*",
                                       "**/libmpi.so*",
                                       "**/libopen-pal.so*",
                                       "**/libopen-rte.so*",
                                       "**/libucp.so*",
                                       "**/libuct.so*",
                                       "**/libucs.so*",
                                       "**/libucm.so*",
                                       "opt/hpcx/**"};

constexpr Patterns kProcessorVariants[] = {
    "**/libmkl_avx.so*",        "**/libmkl_avx2.so*",       "**/libmkl_avx512.so*",
    "**/libmkl_avx512_mic.so*", "**/libmkl_mc.so*",         "**/libmkl_mc2.so*",
    "**/libmkl_mc3.so*",        "**/libmkl_def.so*",        "**/libmkl_vml_avx.so*",
    "**/libmkl_vml_avx2.so*",   "**/libmkl_vml_avx512.so*", "**/libmkl_vml_avx512_mic.so*",
    "**/libmkl_vml_mc.so*",     "**/libmkl_vml_mc2.so*",    "**/libmkl_vml_mc3.so*",
    "**/libmkl_vml_def.so*",    "**/libmkl_vml_cmpt.so*"};

constexpr Patterns kDataSets[] = {"**/*.parquet",         "**/*.arrow",  "**/*.tfrecord",
                                  "**/*.tfrecords",       "**/*.lmdb",   "**/wandb/run-*/**",
                                  "**/lightning_logs/**", "**/mlruns/**"};
// Small examples for the tests of packages.
constexpr Patterns kDataSetsKeep[] = {"**/site-packages/**", "**/dist-packages/**"};

constexpr Patterns kSecrets[] = {"root/.netrc",
                                 "home/*/.netrc",
                                 "**/.aws/credentials",
                                 "**/.config/gcloud/application_default_credentials.json",
                                 "**/.cache/huggingface/token",
                                 "**/.cache/huggingface/stored_tokens",
                                 "**/.git-credentials",
                                 "root/.docker/config.json",
                                 "home/*/.docker/config.json",
                                 "**/.kaggle/kaggle.json",
                                 "root/.pypirc",
                                 "home/*/.pypirc",
                                 "root/.ssh/id_*",
                                 "home/*/.ssh/id_*"};

// What downloads leave behind: files under the names that they have before they are whole, locks,
// and the chunks that hf_xet puts together. Metadata of local copies stays: it tells which revision
// they are of.
constexpr Patterns kHubLeftovers[] = {"**/models--*/blobs/*.incomplete",
                                      "**/datasets--*/blobs/*.incomplete",
                                      "**/spaces--*/blobs/*.incomplete",
                                      "**/.locks/models--*/**",
                                      "**/.locks/datasets--*/**",
                                      "**/.locks/spaces--*/**",
                                      "**/.cache/huggingface/download/**/*.incomplete",
                                      "**/.cache/huggingface/download/**/*.lock",
                                      "**/.cache/huggingface/xet/**",
                                      "**/torch/hub/checkpoints/*.partial",
                                      "**/.ollama/models/blobs/*-partial*"};

constexpr Patterns kGit[] = {"**/.git/**"};

constexpr Patterns kCudaStatic[] = {"usr/local/cuda*/**/*.a",
                                    "**/site-packages/nvidia/**/*.a",
                                    "**/dist-packages/nvidia/**/*.a",
                                    "**/libcu*_static*.a",
                                    "**/libnpp*_static.a",
                                    "**/libnv*_static*.a",
                                    "**/libnccl_static.a",
                                    "**/libculibos.a",
                                    "**/libcupti_static.a",
                                    "**/libnvinfer*_static.a",
                                    "**/libnvperf_host_static.a"};
// The device runtime is linked at run time, by cuLinkAddFile and nvJitLink, into kernels that sync
// a grid or launch others: numba.cuda, CuPy and CUDA.jl do.
constexpr Patterns kCudaStaticKeep[] = {"**/libcudadevrt.a"};

constexpr Patterns kStatic[] = {"**/*.a"};
constexpr Patterns kStaticKeep[] = {"**/go/pkg/**", "**/rustlib/**", "**/libcudadevrt.a"};

constexpr Patterns kCudaHeaders[] = {"usr/local/cuda*/include/**",
                                     "usr/local/cuda*/targets/*/include/**",
                                     "opt/*conda*/targets/*/include/**",
                                     "**/envs/*/targets/*/include/**",
                                     "**/site-packages/nvidia/**/include/**",
                                     "**/dist-packages/nvidia/**/include/**",
                                     "nvidia/**/include/**",
                                     "usr/include/cudnn*.h",
                                     "usr/include/*-linux-gnu/cudnn*.h",
                                     "usr/include/nccl*.h",
                                     "usr/include/NvInfer*.h",
                                     "usr/include/*-linux-gnu/Nv*.h"};

// Triton compiles against its own headers whenever a compiler is there; they are small.
constexpr Patterns kHeaders[] = {"usr/include/**",
                                 "usr/local/include/**",
                                 "opt/*conda*/include/**",
                                 "opt/mini*forge*/include/**",
                                 "**/site-packages/**/include/**",
                                 "**/dist-packages/**/include/**",
                                 "torch/include/**",
                                 "lib*/include/rapids/**",
                                 "**/envs/*/include/**"};
// Python packages also call directories "include" that hold modules, templates and data: docutils
// reads its character tables there.
constexpr Patterns kHeadersKeep[] = {
    "**/triton/**", "**/*.py",   "**/*.so",  "**/*.so.*", "**/*.txt", "**/*.rst",  "**/*.json",
    "**/*.xml",     "**/*.yaml", "**/*.yml", "**/*.css",  "**/*.js",  "**/*.html", "**/*.j2"};

constexpr Patterns kCudaTools[] = {"usr/local/cuda*/bin/nvcc*",     "usr/local/cuda*/bin/__nvcc*",
                                   "usr/local/cuda*/bin/cicc",      "usr/local/cuda*/bin/cudafe++",
                                   "usr/local/cuda*/bin/fatbinary", "usr/local/cuda*/bin/bin2c",
                                   "usr/local/cuda*/bin/nvprune",   "usr/local/cuda*/bin/nvdisasm",
                                   "usr/local/cuda*/bin/cuobjdump", "usr/local/cuda*/bin/cu++filt",
                                   "usr/local/cuda*/nvvm/bin/**"};

constexpr Patterns kProfilers[] = {"opt/nvidia/nsight-*/**",
                                   "usr/local/cuda*/nsight*/**",
                                   "usr/local/cuda*/nsightee_plugins/**",
                                   "usr/local/cuda*/libnvvp/**",
                                   "usr/local/cuda*/compute-sanitizer/**",
                                   "usr/local/cuda*/extras/Debugger/**",
                                   "usr/local/cuda*/extras/CUPTI/samples/**",
                                   "usr/local/cuda*/extras/CUPTI/doc/**",
                                   "usr/local/cuda*/bin/cuda-gdb*",
                                   "usr/local/cuda*/bin/cuda-memcheck",
                                   "usr/local/cuda*/bin/compute-sanitizer",
                                   "usr/local/cuda*/bin/nsight*",
                                   "usr/local/cuda*/bin/nsys*",
                                   "usr/local/cuda*/bin/ncu*",
                                   "usr/local/cuda*/bin/nvprof",
                                   "usr/local/cuda*/bin/nvvp"};

constexpr Patterns kSamples[] = {
    "usr/local/cuda*/samples/**", "usr/local/cuda*/extras/demo_suite/**",
    "usr/local/cuda*/doc/**",     "usr/local/cuda*/tools/**",
    "usr/src/cudnn_samples_*/**", "usr/src/tensorrt/samples/**"};

constexpr Patterns kStubs[] = {"usr/local/cuda*/lib64/stubs/**",
                               "usr/local/cuda*/targets/*/lib/stubs/**",
                               "**/envs/*/targets/*/lib/stubs/**"};

constexpr Patterns kDocumentation[] = {
    "**/share/doc/**",      "**/share/man/**",      "**/share/info/**", "**/share/gtk-doc/**",
    "**/share/doc-base/**", "usr/share/lintian/**", "usr/local/man/**", "opt/conda/man/**"};

constexpr Patterns kLocales[] = {"**/share/locale/*/LC_MESSAGES/**", "usr/share/i18n/locales/**"};
constexpr Patterns kLocalesKeep[] = {"**/share/locale/en/**",
                                     "**/share/locale/en_*/**",
                                     "**/share/locale/en@*/**",
                                     "usr/share/i18n/locales/C",
                                     "usr/share/i18n/locales/en_US",
                                     "usr/share/i18n/locales/i18n*",
                                     "usr/share/i18n/locales/translit_*",
                                     "usr/share/i18n/locales/iso14651*"};

constexpr Patterns kBuildFiles[] = {"**/lib/cmake/**",   "**/share/cmake/**",
                                    "**/lib/*/cmake/**", "**/pkgconfig/*.pc",
                                    "usr/lib/**/*.la",   "usr/local/lib/**/*.la"};
// libltdl opens modules by their .la file.
constexpr Patterns kBuildFilesKeep[] = {"**/*ImageMagick*/**", "**/ltdl/**", "**/modules/**"};

constexpr Patterns kDebugFiles[] = {"usr/lib/debug/**", "**/*.debug", "**/*.dwp"};
constexpr Patterns kDebugFilesKeep[] = {"usr/lib/debug/.dwz"};

constexpr Patterns kJitCaches[] = {"**/.nv/ComputeCache/**",
                                   "**/.triton/cache/**",
                                   "**/.cache/torch_extensions/**",
                                   "**/.cache/torch/kernels/**",
                                   "**/.cache/vllm/torch_compile_cache/**",
                                   "**/.cupy/kernel_cache/**",
                                   "**/.cache/miopen/**",
                                   "**/.config/miopen/**",
                                   "**/.cache/flashinfer/**"};

constexpr Patterns kPycache[] = {"**/__pycache__/**"};

// lazy_loader.attach_stub() reads .pyi files at import, so they are no sure waste.
constexpr Patterns kStubFiles[] = {"**/site-packages/**/*.pyi", "**/dist-packages/**/*.pyi",
                                   "**/site-packages/**/*.pxd", "**/dist-packages/**/*.pxd"};

constexpr Patterns kPythonTests[] = {"**/site-packages/**/tests/**", "**/dist-packages/**/tests/**",
                                     "**/lib/python3*/test/**"};
constexpr Patterns kPythonTestsKeep[] = {"**/scipy/**", "**/sklearn/**", "**/torch/testing/**",
                                         "**/lib/python3*/test/__init__.py",
                                         "**/lib/python3*/test/support/**"};

constexpr Patterns kCompilers[] = {"usr/lib/gcc/**/cc1",     "usr/lib/gcc/**/cc1plus",
                                   "usr/lib/gcc/**/lto1",    "usr/lib/gcc/**/lto-wrapper",
                                   "usr/libexec/gcc/**/cc1", "usr/libexec/gcc/**/cc1plus",
                                   "usr/libexec/gcc/**/lto1"};

constexpr Patterns kDriverLibraries[] = {"usr/lib/**/libcuda.so.*.*",
                                         "usr/lib64/libcuda.so.*.*",
                                         "usr/lib/**/libnvidia-ml.so.*.*",
                                         "usr/lib64/libnvidia-ml.so.*.*",
                                         "usr/lib/**/libnvidia-ptxjitcompiler.so.*.*",
                                         "usr/lib64/libnvidia-ptxjitcompiler.so.*.*",
                                         "usr/lib/**/libnvidia-nvvm.so.*.*",
                                         "usr/lib64/libnvidia-nvvm.so.*.*",
                                         "usr/lib/**/libnvidia-gl*.so.*.*",
                                         "usr/lib/**/libnvidia-rtcore.so.*.*",
                                         "usr/lib/**/libnvcuvid.so.*.*",
                                         "usr/lib/**/libnvidia-opencl.so.*.*"};

constexpr WasteRule kRules[] = {
    {{"apt-lists", Level::kSafe, "package index lists", PassVerdict::kSafe},
     Guard::kNone,
     kAptLists,
     kAptListsKeep},
    {{"package-caches", Level::kSafe, "package manager caches", PassVerdict::kSafe},
     Guard::kNone,
     kPackageCaches,
     {}},
    {{"pip-cache", Level::kSafe, "pip, uv and poetry caches", PassVerdict::kSafe},
     Guard::kNone,
     kPythonCaches,
     kPythonCachesKeep,
     true},
    {{"conda-pkgs", Level::kSafe, "conda package cache", PassVerdict::kSafe},
     Guard::kNone,
     kCondaPackages,
     {},
     true},
    {{"node-cache", Level::kSafe, "npm and yarn caches", PassVerdict::kSafe},
     Guard::kNone,
     kNodeCaches,
     {},
     true},
    {{"hub-leftovers", Level::kSafe, "partial downloads, locks and chunks of model hubs",
      PassVerdict::kSafe},
     Guard::kNone,
     kHubLeftovers,
     {},
     true},
    {{"install-logs", Level::kSafe, "installation logs", PassVerdict::kSafe},
     Guard::kNone,
     kInstallLogs,
     {}},
    {{"temporary", Level::kStandard, "files in /tmp and /var/tmp", PassVerdict::kConditional},
     Guard::kNone,
     kTemporary,
     {},
     true},
    {{"installers", Level::kStandard, "installers left behind", PassVerdict::kSafe},
     Guard::kNone,
     kArchives,
     kArchivesKeep},
    {{"logs", Level::kStandard, "log files", PassVerdict::kSafe},
     Guard::kNone,
     kLogs,
     {},
     true,
     {},
     true},
    {{"nvrtc-alternative", Level::kAggressive, "the second build of NVRTC", PassVerdict::kOwner},
     Guard::kNone,
     kNvrtcAlternative,
     {}},
    {{"wheels", Level::kAggressive, "wheels left behind", PassVerdict::kOwner},
     Guard::kNone,
     kWheels,
     kWheelsKeep,
     true},
    {{"left-archives", Level::kAggressive, "archives left behind", PassVerdict::kOwner},
     Guard::kNone,
     kLeftArchives,
     {},
     true},
    {{"git", Level::kAggressive, "git history", PassVerdict::kOwner}, Guard::kNone, kGit, {}},
    {{"cuda-static-libs", Level::kStandard, "CUDA static libraries", PassVerdict::kConditional},
     Guard::kCudaCompiler,
     kCudaStatic,
     kCudaStaticKeep},
    {{"static-libs", Level::kStandard, "static libraries", PassVerdict::kConditional},
     Guard::kHostCompiler,
     kStatic,
     kStaticKeep},
    {{"cuda-headers", Level::kStandard, "CUDA headers", PassVerdict::kConditional},
     Guard::kCudaHeaders,
     kCudaHeaders,
     kHeadersKeep},
    {{"headers", Level::kStandard, "C and C++ headers", PassVerdict::kConditional},
     Guard::kAnyCompiler,
     kHeaders,
     kHeadersKeep},
    {{"cuda-tools", Level::kStandard, "CUDA compiler and binary tools", PassVerdict::kConditional},
     Guard::kCudaCompiler,
     kCudaTools,
     {}},
    {{"profilers", Level::kStandard, "profilers and debuggers", PassVerdict::kSafe},
     Guard::kNone,
     kProfilers,
     {}},
    {{"samples", Level::kStandard, "CUDA samples and documentation", PassVerdict::kSafe},
     Guard::kNone,
     kSamples,
     {}},
    {{"stubs", Level::kStandard, "link-time stub libraries", PassVerdict::kConditional},
     Guard::kAnyCompiler,
     kStubs,
     {}},
    {{"documentation", Level::kStandard, "manuals and documentation", PassVerdict::kSafe},
     Guard::kNone,
     kDocumentation,
     {}},
    {{"locales", Level::kStandard, "message translations", PassVerdict::kSafe},
     Guard::kNone,
     kLocales,
     kLocalesKeep},
    {{"build-files", Level::kStandard, "CMake and pkg-config files", PassVerdict::kConditional},
     Guard::kAnyCompiler,
     kBuildFiles,
     kBuildFilesKeep},
    {{"debug-files", Level::kStandard, "separate debug files", PassVerdict::kSafe},
     Guard::kNone,
     kDebugFiles,
     kDebugFilesKeep},
    {{"jit-caches", Level::kAggressive, "compiled kernels of earlier runs", PassVerdict::kOwner},
     Guard::kNone,
     kJitCaches,
     {},
     true,
     {},
     false,
     true},
    {{kCompiledPython, Level::kAggressive, "compiled Python files", PassVerdict::kOwner},
     Guard::kNone,
     kPycache,
     {}},
    {{"type-stubs", Level::kAggressive, "Python type stubs", PassVerdict::kOwner},
     Guard::kNone,
     kStubFiles,
     {}},
    {{"python-tests", Level::kAggressive, "tests of Python packages", PassVerdict::kOwner},
     Guard::kNone,
     kPythonTests,
     kPythonTestsKeep},
    {{"compilers", Level::kAggressive, "compiler proper of GCC", PassVerdict::kConditional},
     Guard::kHostCompiler,
     kCompilers,
     {}},
    {{"driver-libs", Level::kAggressive, "driver libraries that the host supplies",
      PassVerdict::kOwner},
     Guard::kNone,
     kDriverLibraries,
     {}},
    {{"communication", Level::kStandard, "libraries for several GPUs and machines",
      PassVerdict::kOwner},
     Guard::kNone,
     kCommunication,
     {},
     false,
     "frameworks list them as needed, and one GPU does not tell a job of one GPU"},
    {{"processor-variants", Level::kStandard, "one library for each processor generation",
      PassVerdict::kOwner},
     Guard::kNone,
     kProcessorVariants,
     {},
     false,
     "the processor that it runs on chooses"},
    {{"data-sets", Level::kStandard, "data sets and records of training", PassVerdict::kOwner},
     Guard::kNone,
     kDataSets,
     kDataSetsKeep,
     false,
     "only the image's owner knows what it serves; mount what changes"},
    {{"secrets", Level::kSafe, "files that hold passwords and tokens", PassVerdict::kOwner},
     Guard::kNone,
     kSecrets,
     {},
     false,
     "what was published is known: revoke it, and mount secrets while building"},
};

}  // namespace

std::span<const WasteRule> waste_rules() {
  return kRules;
}

}  // namespace flense::inventory
