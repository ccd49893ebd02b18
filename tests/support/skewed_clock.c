/* The wall clock of a process, wrong by the seconds that stand in the file SKEWED_CLOCK names; for LD_PRELOAD.
 *
 * The monotonic clock stays as it is, as when an administrator or an NTP daemon sets the time. A wait until a moment of
 * the wall clock is as long as the wrong clock says. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long skew(void)
{
    char text[24] = "";
    const char *path = getenv("SKEWED_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += skew();
    return result;
}

time_t time(time_t *where)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (where != NULL)
        *where = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict where, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    where->tv_sec = now.tv_sec;
    where->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    typedef int function(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    static function *real;
    struct timespec right = *until;

    if (real == NULL)
        real = (function *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    right.tv_sec -= skew();
    return real(condition, mutex, &right);
}
