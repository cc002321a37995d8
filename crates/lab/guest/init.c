/* PID 1 of the lab's guest: beats on the console, obeys the ACPI power button and a few agent commands. Static, no shell.
 *
 * Words on the kernel command line:
 *   rt.tick=MS     time between two beats (250)
 *   rt.ignore=1    ignore the power button: a guest that hangs
 *   rt.noagent=1   no guest agent
 *   rt.delay=S     seconds it takes to go down (0)
 *   rt.ws=MIB      memory it keeps in use (4)
 *   rt.dirty=MIB   of that it rewrites per second (0)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, INPUTS = 8 };

static char words[4096];
static double down_at;
static const char *down_by = "";
static int agent = -1;

static long word(const char *name, long otherwise) {
    char key[64];
    snprintf(key, sizeof key, " %s=", name);
    const char *at = strstr(words, key);
    return at ? strtol(at + strlen(key), NULL, 10) : otherwise;
}

static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void slurp(const char *path, char *into, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, into, size - 1);
    into[got < 0 ? 0 : got] = 0;
    if (file >= 0) close(file);
}

static void load(const char *module) {
    char path[128];
    snprintf(path, sizeof path, "/modules/%s.ko", module);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST && errno != ENODEV)
        printf("MODULE %s %s\n", module, strerror(errno));
    close(file);
}

static void go_down(const char *by) {
    if (down_at > 0) return;
    down_by = by;
    down_at = clock_now() + (double)word("rt.delay", 0);
    printf("ASKED %s %.2f\n", by, clock_now());
}

static void find_agent_port(void) {
    DIR *ports = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    while (ports && (entry = readdir(ports))) {
        char path[400], name[64];
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        slurp(path, name, sizeof name);
        if (strncmp(name, "org.qemu.guest_agent.0", 22) != 0) continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        agent = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (ports) closedir(ports);
}

static void say(const char *text) {
    if (write(agent, text, strlen(text)) < 0) return;
}

static void obey(const char *line) {
    char answer[128];
    const char *id = strstr(line, "\"id\"");
    id = id ? strchr(id, ':') : NULL;
    long long number = id ? atoll(id + 1) : 0;
    if (strstr(line, "guest-sync-delimited")) {
        snprintf(answer, sizeof answer, "\xff{\"return\": %lld}\n", number);
        say(answer);
    } else if (strstr(line, "guest-sync")) {
        snprintf(answer, sizeof answer, "{\"return\": %lld}\n", number);
        say(answer);
    } else if (strstr(line, "guest-ping")) {
        say("{\"return\": {}}\n");
    } else if (strstr(line, "guest-shutdown")) {
        go_down("agent");
    } else {
        say("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"this agent is small\"}}\n");
    }
}

static void hear_agent(void) {
    static char line[4096];
    static size_t length;
    char got[512];
    ssize_t count = read(agent, got, sizeof got);
    if (count <= 0) {
        usleep(20000);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (got[i] == '\n') {
            line[length] = 0;
            obey(line);
            length = 0;
        } else if ((unsigned char)got[i] == 0xff) {
            length = 0;
        } else if (length < sizeof line - 1) {
            line[length++] = got[i];
        }
    }
}

static void hear_button(int input) {
    struct input_event event;
    while (read(input, &event, sizeof event) == (ssize_t)sizeof event) {
        if (event.type != EV_KEY || event.code != KEY_POWER || event.value != 1) continue;
        if (word("rt.ignore", 0)) printf("IGNORED button %.2f\n", clock_now());
        else go_down("button");
    }
}

static int open_devices(struct pollfd *polled) {
    int count = 0;
    for (int i = 0; i < INPUTS; i++) {
        char path[40];
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        int input = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (input >= 0) polled[count++] = (struct pollfd){.fd = input, .events = POLLIN};
    }
    /* The port is announced after its driver is loaded; on a busy machine that takes a while. */
    for (int tries = 0; !word("rt.noagent", 0) && agent < 0 && tries < 100; tries++) {
        find_agent_port();
        if (agent < 0) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    if (agent >= 0) polled[count++] = (struct pollfd){.fd = agent, .events = POLLIN};
    return count;
}

static void live(const char *boot, struct pollfd *polled, int count, unsigned char *memory, size_t size) {
    unsigned long beat = 0;
    size_t page = 0;
    double next = clock_now(), last = next, owed = 0;
    long tick = word("rt.tick", 250), dirty = word("rt.dirty", 0);
    for (;;) {
        double now = clock_now();
        if (down_at > 0 && now >= down_at) {
            printf("DOWN %s %lu %.2f\n", down_by, beat, now);
            sync();
            reboot(RB_POWER_OFF);
            for (;;) pause();
        }
        if (now >= next) {
            printf("HB %s %lu %.2f\n", boot, beat++, now);
            next = now + (double)tick / 1000.0;
        }
        if (dirty > 0 && size > 0) {
            owed += (now - last) * (double)dirty * 256;
            if (owed > (double)dirty * 256) owed = (double)dirty * 256;
            for (; owed >= 1; owed -= 1) {
                memory[page]++;
                page = (page + PAGE) % size;
            }
        }
        last = now;
        int wait = (int)((next - clock_now()) * 1000) + 1;
        if (dirty > 0 && wait > 20) wait = 20;
        if (poll(polled, (nfds_t)count, wait < 0 ? 0 : wait) <= 0) continue;
        for (int i = 0; i < count; i++) {
            if (!(polled[i].revents & (POLLIN | POLLHUP))) continue;
            if (polled[i].fd == agent) hear_agent();
            else hear_button(polled[i].fd);
        }
    }
}

int main(void) {
    static const char *modules[] = {"button", "evdev", "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev",
                                    "virtio_pci", "virtio_console", NULL};
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    words[0] = ' ';
    slurp("/proc/cmdline", words + 1, sizeof words - 1);
    for (int i = 0; modules[i]; i++) load(modules[i]);
    char boot[64];
    slurp("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[8] = 0;
    struct pollfd polled[INPUTS + 1];
    int count = open_devices(polled);
    size_t size = (size_t)word("rt.ws", 4) << 20;
    unsigned char *memory = size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
    if (memory == MAP_FAILED) size = 0;
    for (size_t i = 0; i < size; i += PAGE) memory[i] = (unsigned char)(i / PAGE + 1);
    printf("READY %s agent=%d\n", boot, agent >= 0);
    live(boot, polled, count, memory, size);
}
