/* What a hostile image runs: static, so that it needs nothing of the image. Each line of output is
   one fact, so that a test sees that the attempt was made. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* fds: number, kind and place of each open descriptor. */
static void descriptors(void) {
  char name[64], place[4096];
  for (int fd = 0; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(name, place, sizeof place - 1);
    place[size < 0 ? 0 : size] = 0;
    printf("fd %d %s\n", fd, place);
  }
}

/* open FLAGS PATH...: whether each can be opened; r reads some of it, w writes nothing. */
static void open_all(const char* how, char** paths) {
  const int flags = *how == 'w'   ? O_WRONLY
                    : *how == 'd' ? O_RDONLY | O_DIRECTORY
                                  : O_RDONLY | O_NONBLOCK;
  for (; *paths; ++paths) {
    const int fd = open(*paths, flags | O_CLOEXEC);
    char text[256];
    ssize_t size = 0;
    if (fd >= 0 && *how == 'r') size = read(fd, text, sizeof text);
    printf("open %s %s %s %ld\n", how, *paths, fd < 0 ? strerror(errno) : "opened", (long)size);
    if (fd >= 0) close(fd);
  }
}

/* connect PATH...: @ begins an abstract name. */
static void connect_all(char** paths) {
  for (; *paths; ++paths) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, *paths, sizeof at.sun_path - 1);
    const socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(*paths);
    if (**paths == '@') at.sun_path[0] = 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const int failed = connect(fd, (struct sockaddr*)&at, size);
    printf("connect %s %s\n", *paths, failed ? strerror(errno) : "connected");
    close(fd);
  }
}

/* key NAME: reads a key of the session keyring. keyed NAME TEXT COMMAND...: puts one there first.
 */
static void read_key(const char* name) {
  char text[128] = "";
  const long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name, 0);
  const long size = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text - 1);
  printf("key %s %s\n", name, size < 0 ? strerror(errno) : text);
}

static int with_key(char** words) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) < 0) return perror("keyring"), 1;
  if (syscall(SYS_add_key, "user", words[0], words[1], strlen(words[1]), KEY_SPEC_SESSION_KEYRING) <
      0)
    return perror("add_key"), 1;
  execvp(words[2], words + 2);
  return perror(words[2]), 1;
}

/* overwrite FD: writes into what the descriptor is of; by a child, too, which first ends who
 * executes it. */
static int overwrite(const char* fd) {
  char name[64], place[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%s", fd);
  const ssize_t size = readlink(name, place, sizeof place - 1);
  place[size < 0 ? 0 : size] = 0;
  printf("overwrite %s\n", place);
  const pid_t engine = getppid();
  const int child = fork() == 0;
  if (child) {
    setsid();
    usleep(20000);
    if (engine > 1) kill(engine, SIGKILL);
  }
  for (int tries = 0; tries < (child ? 200 : 20); ++tries) {
    const int out = open(name, O_WRONLY);
    if (out < 0 && errno == ETXTBSY) {
      usleep(2000);
      continue;
    }
    printf("last %s\n", out < 0 ? strerror(errno) : "opened");
    return out >= 0 && write(out, "overwritten", 11) != 11;
  }
  return 0;
}

/* watch MILLISECONDS: opens the file of each program that it sees, and tries to write into it ever
 * after. */
static void watch(int milliseconds) {
  enum { MOST = 64 };
  struct {
    int fd;
    ino_t inode;
    char place[512];
  } held[MOST];
  int count = 0;
  char name[300];
  for (int spent = 0; spent < milliseconds; ++spent) {
    DIR* processes = opendir("/proc");
    for (const struct dirent* one; processes && (one = readdir(processes));) {
      if (*one->d_name < '0' || *one->d_name > '9' || count == MOST) continue;
      snprintf(name, sizeof name, "/proc/%s/exe", one->d_name);
      struct stat found;
      const int fd = open(name, O_RDONLY | O_CLOEXEC);
      int known = fd < 0 || fstat(fd, &found) != 0;
      for (int i = 0; i < count && !known; ++i) known = held[i].inode == found.st_ino;
      if (known) {
        if (fd >= 0) close(fd);
        continue;
      }
      const ssize_t size = readlink(name, held[count].place, sizeof held[count].place - 1);
      held[count].place[size < 0 ? 0 : size] = 0;
      held[count].fd = fd;
      held[count].inode = found.st_ino;
      printf("saw %s\n", held[count++].place);
    }
    if (processes) closedir(processes);
    for (int i = 0; i < count; ++i) {
      snprintf(name, sizeof name, "/proc/self/fd/%d", held[i].fd);
      const int out = held[i].fd < 0 ? -1 : open(name, O_WRONLY | O_CLOEXEC);
      if (out < 0) continue;
      printf("wrote %ld into %s\n", (long)write(out, "overwritten", 11), held[i].place);
      close(out);
      close(held[i].fd);
      held[i].fd = -1;
    }
    usleep(1000);
  }
}

/* exchange A B: each takes the other's place, for ever. */
static void exchange(const char* a, const char* b) {
  puts("exchanging");
  for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

int main(int count, char** words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char* what = count > 1 ? words[1] : "";
  if (!strcmp(what, "fds")) return descriptors(), 0;
  if (!strcmp(what, "open") && count > 2) return open_all(words[2], words + 3), 0;
  if (!strcmp(what, "connect")) return connect_all(words + 2), 0;
  if (!strcmp(what, "key") && count > 2) return read_key(words[2]), 0;
  if (!strcmp(what, "keyed") && count > 4) return with_key(words + 2);
  if (!strcmp(what, "overwrite") && count > 2) return overwrite(words[2]);
  if (!strcmp(what, "watch") && count > 2) return watch(atoi(words[2])), 0;
  if (!strcmp(what, "exchange") && count > 3) return exchange(words[2], words[3]), 1;
  if (!strcmp(what, "crash")) {
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &all);
    puts("crashing");
    *(volatile int*)8 = 0; /* a signal would not reach the first process of a namespace */
  }
  if (!strcmp(what, "magic") && count > 2) {
    struct statfs found;
    const int failed = statfs(words[2], &found);
    return printf("magic %s %lx\n", words[2], failed ? 0UL : (unsigned long)found.f_type), 0;
  }
  fprintf(stderr, "probe: %s?\n", what);
  return 2;
}
