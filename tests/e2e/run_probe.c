/* What the tests of `run` start in a container: static, so that it needs nothing of the image. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* fds: the number of each open descriptor. */
static int descriptors(void) {
  for (int fd = 0; fd < 4096; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) printf("fd %d\n", fd);
  return 0;
}

/* orphan MARK: leaves a process that has nothing to do with us any more, and stays. */
static void orphan(void) {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      signal(SIGHUP, SIG_IGN);
      puts("up");
    }
    for (;;) pause();
  }
  for (;;) pause();
}

/* told: says each signal as it comes, one line for each time; TERM ends it. */
static void tell(int number) {
  const char* text = number == SIGINT    ? "int\n"
                     : number == SIGUSR1 ? "usr1\n"
                     : number == SIGCONT ? "cont\n"
                     : number == SIGHUP  ? "hup\n"
                                         : "term\n";
  if (write(1, text, strlen(text)) < 0 || number == SIGTERM) _exit(5);
}

static void told(void) {
  const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGCONT, SIGHUP};
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; ++i) signal(numbers[i], tell);
  puts("up");
  for (;;) pause();
}

static void say(const char* name, long result) {
  printf("call %s %s\n", name, result < 0 ? strerrorname_np(errno) : "done");
}

/* In a child, which the call may change or end. */
static void apart(const char* name, long (*call)(void)) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    say(name, call());
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) printf("call %s killed %d\n", name, WTERMSIG(status));
}

static long traced(void) {
  const pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  long result = ptrace(PTRACE_ATTACH, child, 0, 0);
  if (result == 0) waitpid(child, NULL, 0);
  if (result == 0) result = ptrace(PTRACE_DETACH, child, 0, 0);
  const int error = errno;
  kill(child, SIGKILL);
  errno = error;
  return result;
}

/* As ranks of a node read each other's buffers: neither is the other's parent. */
static char shared[] = "mine.";
static long attached(void) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t owner = fork();
  if (owner == 0) {
    memcpy(shared, "yours", sizeof shared);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char seen[sizeof shared] = "";
  if (read(ends[0], seen, 1) != 1) return -1;
  const pid_t reader = fork();
  if (reader == 0) {
    struct iovec here = {seen, sizeof seen}, there = {shared, sizeof shared};
    const long size = syscall(SYS_process_vm_readv, owner, &here, 1, &there, 1, 0);
    if (size < 0) _exit(errno);
    if (strcmp(seen, "yours") != 0) _exit(EPROTO);
    memcpy(seen, "third", sizeof seen);
    _exit(syscall(SYS_process_vm_writev, owner, &here, 1, &there, 1, 0) < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(reader, &status, 0);
  kill(owner, SIGKILL);
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno == 0 ? 0 : -1;
}

static long new_user(void) {
  return unshare(CLONE_NEWUSER);
}
static long new_mounts(void) {
  return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
}
static long new_name(void) {
  return unshare(CLONE_NEWUSER | CLONE_NEWUTS) != 0 ? -1 : sethostname("nested", 6);
}
static long join_name(void) {
  const int fd = open("/proc/self/ns/uts", O_RDONLY);
  return syscall(SYS_setns, fd, 0);
}
static long audit(void) {
  return socket(AF_NETLINK, SOCK_RAW, 9);
}
static long route(void) {
  return socket(AF_NETLINK, SOCK_RAW, 0);
}
static long datagram(void) {
  return socket(AF_INET, SOCK_DGRAM, 0);
}
static long strict(void) {
  return syscall(SYS_seccomp, 0, 0, 0) == 0 ? syscall(SYS_exit, 0) : -1;
}
static long other_persona(void) {
  return syscall(SYS_personality, 0x0040000);
}
static long own_persona(void) {
  return syscall(SYS_personality, 0xffffffff);
}

#ifdef __x86_64__
/* The same kernel by its other doors: numbers of 32-bit programs and of x32. */
static long by_32(long number) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(-1), "c"(0), "d"(0)
                   : "memory", "r8", "r9", "r10", "r11");
  errno = (int)-result;
  return result < 0 ? -1 : result;
}
static long bpf_32(void) {
  return by_32(357);
}
static long unknown_32(void) {
  return by_32(999);
}
static long bpf_x32(void) {
  return syscall(0x40000000 | 321, -1, 0, 0);
}
#endif

/* calls: what each call comes to. Their arguments do nothing where they are allowed. */
static int calls(void) {
  static const struct {
    const char* name;
    long number, a, b, c;
  } plain[] = {{"bpf", SYS_bpf, -1, 0, 0},
               {"perf_event_open", SYS_perf_event_open, 0, 0, 0},
               {"userfaultfd", SYS_userfaultfd, -1, 0, 0},
               {"open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0},
               {"init_module", SYS_init_module, 0, 0, 0},
               {"kexec_load", SYS_kexec_load, 0, 0, 0},
               {"acct", SYS_acct, 0, 0, 0},
               {"chroot", SYS_chroot, 0, 0, 0},
               {"quotactl", SYS_quotactl, -1, 0, 0},
               {"swapon", SYS_swapon, 0, 0, 0},
               {"settimeofday", SYS_settimeofday, 0, 1, 0},
               {"sethostname", SYS_sethostname, 0, -1, 0},
               {"vmsplice", SYS_vmsplice, -1, 0, 0},
               {"kcmp", SYS_kcmp, 0, 0, 99},
               {"mount", SYS_mount, 0, 0, 0},
               {"keyctl", SYS_keyctl, 9999, 0, 0},
               {"io_uring_setup", SYS_io_uring_setup, 0, 0, 0},
               {"set_mempolicy", SYS_set_mempolicy, 0, 0, 0},
               {"get_mempolicy", SYS_get_mempolicy, 0, 0, 0},
               {"mbind", SYS_mbind, 0, 0, 0},
               {"move_pages", SYS_move_pages, 0, 0, 0},
               {"migrate_pages", SYS_migrate_pages, 0, 0, 0},
               {"pidfd_open", SYS_pidfd_open, 1 << 30, 0, 0},
               {"memfd_create", SYS_memfd_create, 0, 0, 0},
               {"clone3", SYS_clone3, 0, 0, 0},
               {"openat2", SYS_openat2, -1, 0, 0},
               {"syslog", SYS_syslog, 10, 0, 0},
               {"unknown", 1000, 0, 0, 0},
               {"unknown-large", 100000, 0, 0, 0}};
  for (unsigned i = 0; i < sizeof plain / sizeof *plain; ++i)
    say(plain[i].name, syscall(plain[i].number, plain[i].a, plain[i].b, plain[i].c, 0, 0, 0));
  apart("ptrace", traced);
  apart("process_vm", attached);
  apart("unshare-user", new_user);
  apart("unshare-mounts", new_mounts);
  apart("nested-name", new_name);
  apart("setns", join_name);
  apart("socket-audit", audit);
  apart("socket-route", route);
  apart("socket-udp", datagram);
  apart("seccomp-strict", strict);
  apart("personality", other_persona);
  apart("personality-read", own_persona);
#ifdef __x86_64__
  apart("bpf-32", bpf_32);
  apart("unknown-32", unknown_32);
  apart("bpf-x32", bpf_x32);
#endif
  return 0;
}

int main(int count, char** words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char* what = count > 1 ? words[1] : "";
  if (strcmp(what, "fds") == 0) return descriptors();
  if (strcmp(what, "orphan") == 0) orphan();
  if (strcmp(what, "told") == 0) told();
  if (strcmp(what, "calls") == 0) return calls();
  return 2;
}
