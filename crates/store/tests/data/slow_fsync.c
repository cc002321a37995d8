/* A disk that hangs or fails at fsync, for tests: a library to be preloaded into a child process, never linked into anything.
 *
 *   cc -shared -fPIC -O1 -o slow_fsync.so slow_fsync.c
 *   LD_PRELOAD=./slow_fsync.so RIDETHROUGH_FSYNC_HANG=/tmp/x/hang RIDETHROUGH_FSYNC_FAIL=/tmp/x/fail ridethrough serve ...
 *
 * While the file named by RIDETHROUGH_FSYNC_HANG exists, fsync() and fdatasync() do not return, as with a dead disk or a lost NFS
 * server; removing the file lets them go on. While the one named by RIDETHROUGH_FSYNC_FAIL exists, they fail with EIO.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_there(const char *variable) {
    const char *path = getenv(variable);
    return path != NULL && access(path, F_OK) == 0;
}

static int held_or_failed(void) {
    const struct timespec pause = {0, 5 * 1000 * 1000};
    while (is_there("RIDETHROUGH_FSYNC_HANG"))
        nanosleep(&pause, NULL);
    if (is_there("RIDETHROUGH_FSYNC_FAIL")) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd) {
    return held_or_failed() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return held_or_failed() ? -1 : (int)syscall(SYS_fdatasync, fd);
}
