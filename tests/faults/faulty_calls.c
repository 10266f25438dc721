/* Preloaded into a process: the Nth call of a kind on a path below a folder fails, or all from it
   on, or the process gets a signal there, or none does and each is written down. `arm` and `jump`
   are called from inside (ctypes), after the start. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, FLUSH = 2, NAME = 4, CREATE = 8, READ = 16, REMOVE = 32, CLOSE = 64, OPEN = 128,
       RESERVE = 256, MODE = 512, LINK = 1024, LOCK = 2048 };

static int armed_kinds, armed_errno, armed_sticky, trace_fd = -1;
static long armed_nth;
static long counted;
static char armed_folder[PATH_MAX];

void arm(int kinds, long nth, int error, int sticky, const char *folder, int trace) {
    armed_kinds = kinds; armed_errno = error; armed_sticky = sticky; trace_fd = trace;
    __atomic_store_n(&counted, 0, __ATOMIC_SEQ_CST);
    strncpy(armed_folder, folder ? folder : "", sizeof armed_folder - 1);
    armed_nth = nth;
}

long calls(void) { return __atomic_load_n(&counted, __ATOMIC_SEQ_CST); }

static const char *path_of(int fd, const char *name, char *buffer) {
    char link[64];
    ssize_t n;
    if (name && name[0] == '/') return name;
    if (fd == AT_FDCWD) n = readlink("/proc/self/cwd", buffer, PATH_MAX - 1);
    else { snprintf(link, sizeof link, "/proc/self/fd/%d", fd); n = readlink(link, buffer, PATH_MAX - 1); }
    if (n < 0) n = 0;
    buffer[n] = 0;
    if (name && n + strlen(name) + 2 < PATH_MAX) { buffer[n] = '/'; strcpy(buffer + n + 1, name); }
    return buffer;
}

/* Whether this call has to fail (errno is set). */
static int faulty(int kind, int fd, const char *name, const char *other) {
    char buffer[PATH_MAX], line[2 * PATH_MAX + 32];
    const char *path;
    if (!(armed_kinds & kind) || !armed_folder[0]) return 0;
    path = path_of(fd, name, buffer);
    if (strncmp(path, armed_folder, strlen(armed_folder))) return 0;
    if (trace_fd >= 0 && fd != trace_fd) {
        int n = snprintf(line, sizeof line, "%d\t%s\t%s\n", kind, path, other ? other : "");
        static ssize_t (*real)(int, const void *, size_t);
        if (!real) real = dlsym(RTLD_NEXT, "write");
        if (real(trace_fd, line, n) != n) { /* the test sees a short trace */ }
    }
    long n = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
    if (!armed_nth || n < armed_nth || (n > armed_nth && !armed_sticky)) return 0;
    if (armed_errno < 0) { kill(getpid(), -armed_errno); return 0; }
    errno = armed_errno;
    return 1;
}

/* The clock of the day is ahead by so many seconds, and with `swing` behind at each second look. */
static long ahead, swinging, looks;
void jump(long seconds, long swing) { ahead = seconds; swinging = swing; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result && ahead && clock == CLOCK_REALTIME)
        now->tv_sec += swinging && __atomic_add_fetch(&looks, 1, __ATOMIC_SEQ_CST) % 2 ? -ahead : ahead;
    return result;
}

#define CALL(kind, type, name, parameters, arguments, fd, path, other, failed) \
    type name parameters { static type (*real) parameters; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        return faulty(kind, fd, path, other) ? failed : real arguments; }

CALL(WRITE, ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, copy_file_range, (int i, off64_t *io, int o, off64_t *oo, size_t n, unsigned f), (i, io, o, oo, n, f), o, NULL, NULL, -1)
CALL(WRITE, ssize_t, sendfile, (int o, int i, off_t *p, size_t n), (o, i, p, n), o, NULL, NULL, -1)
CALL(WRITE, ssize_t, sendfile64, (int o, int i, off64_t *p, size_t n), (o, i, p, n), o, NULL, NULL, -1)
CALL(RESERVE, int, posix_fallocate, (int fd, off_t o, off_t n), (fd, o, n), fd, NULL, NULL, armed_errno)
CALL(RESERVE, int, posix_fallocate64, (int fd, off64_t o, off64_t n), (fd, o, n), fd, NULL, NULL, armed_errno)
CALL(WRITE, int, ftruncate, (int fd, off_t n), (fd, n), fd, NULL, NULL, -1)
CALL(WRITE, int, ftruncate64, (int fd, off64_t n), (fd, n), fd, NULL, NULL, -1)
CALL(FLUSH, int, fsync, (int fd), (fd), fd, NULL, NULL, -1)
CALL(FLUSH, int, fdatasync, (int fd), (fd), fd, NULL, NULL, -1)
CALL(LOCK, int, flock, (int fd, int o), (fd, o), fd, NULL, NULL, -1)
CALL(NAME, int, rename, (const char *a, const char *b), (a, b), AT_FDCWD, a, b, -1)
CALL(NAME, int, renameat, (int x, const char *a, int y, const char *b), (x, a, y, b), x, a, b, -1)
CALL(LINK, int, link, (const char *a, const char *b), (a, b), AT_FDCWD, a, b, -1)
CALL(LINK, int, linkat, (int x, const char *a, int y, const char *b, int f), (x, a, y, b, f), x, a, b, -1)
CALL(NAME, int, mkdir, (const char *a, mode_t m), (a, m), AT_FDCWD, a, NULL, -1)
CALL(NAME, int, mkdirat, (int x, const char *a, mode_t m), (x, a, m), x, a, NULL, -1)
CALL(REMOVE, int, unlink, (const char *a), (a), AT_FDCWD, a, NULL, -1)
CALL(REMOVE, int, unlinkat, (int x, const char *a, int f), (x, a, f), x, a, NULL, -1)
CALL(REMOVE, int, rmdir, (const char *a), (a), AT_FDCWD, a, NULL, -1)
CALL(MODE, int, chmod, (const char *a, mode_t m), (a, m), AT_FDCWD, a, NULL, -1)
CALL(MODE, int, fchmod, (int fd, mode_t m), (fd, m), fd, NULL, NULL, -1)
CALL(WRITE, ssize_t, pwritev64v2, (int fd, const struct iovec *v, int n, off64_t o, int f), (fd, v, n, o, f), fd, NULL, NULL, -1)
CALL(MODE, int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g), fd, NULL, NULL, -1)
CALL(READ, ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), fd, NULL, NULL, -1)
CALL(READ, ssize_t, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o), fd, NULL, NULL, -1)
CALL(READ, ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o), fd, NULL, NULL, -1)
CALL(READ, ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o), fd, NULL, NULL, -1)
CALL(READ, ssize_t, preadv64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o), fd, NULL, NULL, -1)
CALL(READ, ssize_t, preadv64v2, (int fd, const struct iovec *v, int n, off64_t o, int f), (fd, v, n, o, f), fd, NULL, NULL, -1)

/* A close that fails has closed all the same (Linux): NFS tells of a full disk here. */
int close(int fd) {
    static int (*real)(int);
    int failed, error;
    if (!real) real = dlsym(RTLD_NEXT, "close");
    failed = faulty(CLOSE, fd, NULL, NULL);
    error = errno;
    int result = real(fd);
    if (failed) { errno = error; return -1; }
    return result;
}

static int refused(int x, const char *a, int flags) {
    return faulty((flags & O_CREAT) ? CREATE | OPEN : OPEN, x, a, NULL);
}
#define OPENS(name, parameters, arguments, fd) \
    int name parameters { static int (*real) parameters; mode_t m = 0; va_list l; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_start(l, flags); m = va_arg(l, int); va_end(l); } \
        if (!real) real = (int (*) parameters)dlsym(RTLD_NEXT, #name); \
        return refused(fd, a, flags) ? -1 : real arguments; }
OPENS(open, (const char *a, int flags, ...), (a, flags, m), AT_FDCWD)
OPENS(open64, (const char *a, int flags, ...), (a, flags, m), AT_FDCWD)
OPENS(openat, (int x, const char *a, int flags, ...), (x, a, flags, m), x)
OPENS(openat64, (int x, const char *a, int flags, ...), (x, a, flags, m), x)
