// SPDX-License-Identifier: Apache-2.0
/*
 * Uses /dev/hvisor as the first tool for hvisor does: by the calls it had, with
 * the numbers and layouts written out here (hvisor interface, sections 3 to 5)
 * and not taken from our header, so that a change of ours would be noticed.
 *
 *   upstream_abi [--start] ZONE_KERNEL ZONE_DTB [INITRD]
 *
 * Starts zone 1 of the board (CPUs 2 and 3, RAM 0x50000000 + 0x30000000, windows
 * 0xa003800 and 0xa003c00), is its daemon for a while, and shuts it down. The
 * last line is "upstream-abi: ok", or says what was wrong. With --start it only
 * starts the zone and leaves it alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INIT_VIRTIO 0x00000100u
#define GET_TASK 0x00000101u
#define FINISH_REQ 0x00000102u
#define ZONE_START 0x40080103u
#define ZONE_SHUTDOWN 0x40080104u
#define ZONE_LIST 0x80080105u
#define CONFIG_CHECK 0x80080106u
#define SET_EVENTFD 0x40040107u
#define LOAD_IMAGE 0x40180108u

#define RAM_START 0x50000000ull
#define RAM_SIZE 0x30000000ull
#define KERNEL_START 0x50400000ull
#define INITRD_START 0x58000000ull
#define CONSOLE_WINDOW 0xa003800ull
#define DISK_WINDOW 0xa003c00ull
#define WINDOW_SIZE 0x200ull
#define CONSOLE_IRQ 76
#define DISK_IRQ 78

/* The bridge page. */
#define REQ_FRONT 0x000
#define REQ_REAR 0x004
#define RES_FRONT 0x008
#define RES_REAR 0x00c
#define REQ_LIST 0x010
#define RES_LIST 0x510
#define CFG_FLAGS 0x610
#define CFG_VALUES 0x710
#define NEED_WAKEUP 0x851

struct load_image_args {
    uint64_t user_buffer, size, load_paddr;
};

struct zone_list_args {
    uint64_t cnt, zones;
};

static uint8_t* page; /* the bridge page, once mapped */
static int device;
static int wakeups;
static atomic_bool shutdown_done;
static unsigned accesses_of_console, accesses_of_disk, wakeups_seen;

static _Noreturn void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    printf("upstream-abi: FAILED: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    exit(1);
}

/* The call must fail with this errno. */
static void expect_error(const char* what, long result, int expected) {
    if (result >= 0)
        fail("%s succeeded (%ld); expected %s", what, result, strerrorname_np(expected));
    if (errno != expected)
        fail("%s failed with %s; expected %s", what, strerrorname_np(errno), strerrorname_np(expected));
}

static void expect_success(const char* what, long result) {
    if (result != 0)
        fail("%s returned %ld (%s)", what, result, result < 0 ? strerrorname_np(errno) : "no error");
}

static void expect_no_mapping(const char* what, int fd, size_t size, int protection, int flags,
                              uint64_t offset, int expected) {
    void* mapping = mmap(NULL, size, protection, flags, fd, (off_t)offset);
    expect_error(what, mapping == MAP_FAILED ? -1 : 0, expected);
}

static void* map(const char* what, size_t size, uint64_t offset) {
    void* mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)offset);
    if (mapping == MAP_FAILED)
        fail("mapping %s failed with %s", what, strerrorname_np(errno));
    return mapping;
}

static _Atomic uint32_t* word(size_t offset) {
    return (_Atomic uint32_t*)(page + offset);
}

static _Atomic uint64_t* long_word(size_t offset) {
    return (_Atomic uint64_t*)(page + offset);
}

/* An address of the root kernel's own memory. */
static uint64_t system_ram(void) {
    FILE* file = fopen("/proc/iomem", "r");
    char line[256];
    unsigned long long start, end;
    while (file && fgets(line, sizeof(line), file)) {
        if (strstr(line, "System RAM") && sscanf(line, "%llx-%llx", &start, &end) == 2 &&
            end - start > 0x1000000) {
            fclose(file);
            return (start + 0x800000) & ~0xfffull;
        }
    }
    fail("/proc/iomem names no System RAM");
}

static int list_zones(uint8_t* zones, uint64_t capacity) {
    struct zone_list_args args = {capacity, (uintptr_t)zones};
    return ioctl(device, ZONE_LIST, &args);
}

static uint32_t listed_id(const uint8_t* zones, int index) {
    uint32_t id;
    memcpy(&id, zones + 56 * index, sizeof(id));
    return id;
}

static uint64_t load_file(const char* path, uint64_t address) {
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size == 0)
        fail("%s: %s", path, strerror(errno));
    size_t size = (size_t)status.st_size;
    void* bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        fail("%s: %s", path, strerror(errno));
    struct load_image_args args = {(uintptr_t)bytes, size, address};
    expect_success("LOAD_IMAGE", ioctl(device, LOAD_IMAGE, &args));

    uint8_t* ram = map("the zone's RAM", size, address);
    if (memcmp(ram, bytes, size) != 0)
        fail("%s is not in the zone's RAM after LOAD_IMAGE", path);
    munmap(ram, size);
    munmap(bytes, size);
    close(fd);
    return (size + 0xfff) & ~0xfffull;
}

static void put(uint8_t* config, size_t offset, uint64_t value, size_t size) {
    memcpy(config + offset, &value, size);
}

static void put_region(uint8_t* config, unsigned index, uint32_t type, uint64_t start, uint64_t size) {
    size_t offset = 24 + 32 * index;
    put(config, offset, type, 4);
    put(config, offset + 8, start, 8);
    put(config, offset + 16, start, 8);
    put(config, offset + 24, size, 8);
}

static void make_config(uint8_t* config, uint64_t magic, uint64_t kernel_size, uint64_t dtb_size) {
    put(config, 0, 1, 4);
    put(config, 8, 0xc, 8);
    put(config, 16, 3, 4);
    put_region(config, 0, 0, RAM_START, RAM_SIZE);
    put_region(config, 1, 2, CONSOLE_WINDOW, WINDOW_SIZE);
    put_region(config, 2, 2, DISK_WINDOW, WINDOW_SIZE);
    put(config, 2072 + 4 * (CONSOLE_IRQ / 32), 1u << CONSOLE_IRQ % 32 | 1u << DISK_IRQ % 32, 4);
    put(config, 2288, KERNEL_START, 8);
    put(config, 2296, KERNEL_START, 8);
    put(config, 2304, kernel_size, 8);
    put(config, 2312, RAM_START, 8);
    put(config, 2320, dtb_size, 8);
    memcpy(config + 2328, "upstream", 8);
    put(config, 2360 + 8, 1, 8); /* GICv3 */
    put(config, 2360 + 16, 0x8000000, 8);
    put(config, 2360 + 24, 0x10000, 8);
    put(config, 2360 + 32, 0x80a0000, 8);
    put(config, 2360 + 40, 0xf60000, 8);
    if (magic >= 6)
        put(config, 2360 + 88, 1, 8); /* no UEFI */
}

/* Answer what is in the ring with 0. */
static void answer_requests(void) {
    uint32_t front = atomic_load(word(REQ_FRONT));
    while (front != atomic_load(word(REQ_REAR))) {
        const uint8_t* request = page + REQ_LIST + 40 * front;
        uint64_t cpu, address;
        memcpy(&cpu, request, 8);
        memcpy(&address, request + 8, 8);
        uint8_t need_interrupt = request[37];

        if (cpu != 2 && cpu != 3)
            fail("a request of CPU %llu, which is not the zone's", (unsigned long long)cpu);
        if (address - CONSOLE_WINDOW < WINDOW_SIZE)
            accesses_of_console++;
        else if (address - DISK_WINDOW < WINDOW_SIZE)
            accesses_of_disk++;
        else
            fail("a request for 0x%llx, which is in no window", (unsigned long long)address);
        if (!need_interrupt) {
            atomic_store(long_word(CFG_VALUES + 8 * cpu), 0);
            atomic_fetch_add(long_word(CFG_FLAGS + 8 * cpu), 1);
        }
        front = (front + 1) & 31;
        atomic_store(word(REQ_FRONT), front);
    }
}

/* One sleep of the daemon. */
static void wait_for_requests(int milliseconds) {
    _Atomic uint8_t* need_wakeup = (_Atomic uint8_t*)(page + NEED_WAKEUP);
    struct pollfd wait = {wakeups, POLLIN, 0};
    uint64_t count;

    atomic_store(need_wakeup, 1);
    if (atomic_load(word(REQ_FRONT)) == atomic_load(word(REQ_REAR)))
        poll(&wait, 1, milliseconds);
    atomic_store(need_wakeup, 0);
    if (read(wakeups, &count, sizeof(count)) == sizeof(count))
        wakeups_seen++;
    answer_requests();
}

static void send_interrupt(uint32_t zone, uint32_t irq) {
    uint32_t rear = atomic_load(word(RES_REAR));
    put(page, RES_LIST + 8 * rear, zone, 4);
    put(page, RES_LIST + 8 * rear + 4, irq, 4);
    atomic_store(word(RES_REAR), (rear + 1) & 31);
    expect_success("FINISH_REQ", ioctl(device, FINISH_REQ));
    if (atomic_load(word(RES_FRONT)) != ((rear + 1) & 31))
        fail("FINISH_REQ left the result in the ring");
}

static void* shut_down(void* unused) {
    (void)unused;
    expect_success("ZONE_SHUTDOWN", ioctl(device, ZONE_SHUTDOWN, 1ul));
    atomic_store(&shutdown_done, true);
    return NULL;
}

static void check_role(void) {
    int other = open("/dev/hvisor", O_RDWR);
    if (other < 0)
        fail("/dev/hvisor does not open a second time: %s", strerror(errno));
    expect_no_mapping("mapping the bridge page before INIT_VIRTIO", device, 4096, PROT_READ, MAP_SHARED, 0,
                      EPERM);
    expect_error("FINISH_REQ before INIT_VIRTIO", ioctl(device, FINISH_REQ), EPERM);
    expect_success("INIT_VIRTIO", ioctl(device, INIT_VIRTIO));
    expect_success("INIT_VIRTIO again", ioctl(device, INIT_VIRTIO));
    expect_error("INIT_VIRTIO of another file", ioctl(other, INIT_VIRTIO), EBUSY);
    expect_error("FINISH_REQ of another file", ioctl(other, FINISH_REQ), EBUSY);
    expect_error("SET_EVENTFD of another file", ioctl(other, SET_EVENTFD, wakeups), EBUSY);
    expect_no_mapping("mapping the bridge page of another file", other, 4096, PROT_READ, MAP_SHARED, 0,
                      EBUSY);
    close(other);
    expect_error("SET_EVENTFD with no descriptor", ioctl(device, SET_EVENTFD, -1), EBADF);
    expect_error("SET_EVENTFD with another file", ioctl(device, SET_EVENTFD, device), EINVAL);
    expect_success("SET_EVENTFD", ioctl(device, SET_EVENTFD, wakeups));
    expect_success("SET_EVENTFD again", ioctl(device, SET_EVENTFD, wakeups));
    expect_no_mapping("mapping two bridge pages", device, 8192, PROT_READ, MAP_SHARED, 0, EINVAL);
    expect_no_mapping("an executable mapping", device, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, 0, EACCES);
    page = map("the bridge page", 4096, 0);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0)
        fail("the bridge page can be made executable");
}

static void check_memory_refusals(uint64_t own) {
    static uint8_t bytes[4096];
    const int both = PROT_READ | PROT_WRITE;
    struct load_image_args to_system = {(uintptr_t)bytes, sizeof(bytes), own};
    struct load_image_args across_end = {(uintptr_t)bytes, sizeof(bytes), RAM_START + RAM_SIZE - 0x800};
    struct load_image_args wraps = {(uintptr_t)bytes, sizeof(bytes), ~0xffull};
    struct load_image_args nothing = {(uintptr_t)bytes, 0, RAM_START};
    struct load_image_args no_buffer = {0, sizeof(bytes), RAM_START};
    struct load_image_args unreadable = {8, sizeof(bytes), RAM_START};

    expect_no_mapping("mapping System RAM", device, 4096, both, MAP_SHARED, own, EACCES);
    expect_no_mapping("mapping beyond the zones' RAM", device, 8192, both, MAP_SHARED,
                      RAM_START + RAM_SIZE - 4096, EACCES);
    expect_no_mapping("mapping a device", device, 4096, both, MAP_SHARED, 0x9000000, EACCES);
    expect_no_mapping("a private mapping", device, 4096, both, MAP_PRIVATE, RAM_START, EINVAL);
    expect_no_mapping("executable zone RAM", device, 4096, both | PROT_EXEC, MAP_SHARED, RAM_START, EACCES);
    expect_error("LOAD_IMAGE to System RAM", ioctl(device, LOAD_IMAGE, &to_system), EACCES);
    expect_error("LOAD_IMAGE across the end", ioctl(device, LOAD_IMAGE, &across_end), EACCES);
    expect_error("LOAD_IMAGE that wraps", ioctl(device, LOAD_IMAGE, &wraps), EINVAL);
    expect_error("LOAD_IMAGE of nothing", ioctl(device, LOAD_IMAGE, &nothing), EINVAL);
    expect_error("LOAD_IMAGE of no buffer", ioctl(device, LOAD_IMAGE, &no_buffer), EINVAL);
    expect_error("LOAD_IMAGE of an unreadable buffer", ioctl(device, LOAD_IMAGE, &unreadable), EFAULT);
    expect_error("LOAD_IMAGE without arguments", ioctl(device, LOAD_IMAGE, 8ul), EFAULT);
    expect_error("an unknown call", ioctl(device, 0x000001ffu), ENOTTY);
    expect_error("GET_TASK", ioctl(device, GET_TASK), ENOTTY);
}

static void check_start_refusals(const uint8_t* config, size_t size, uint64_t own) {
    uint8_t* bad = malloc(size);
    struct {
        const char* what;
        size_t offset;
        uint64_t value;
        int expected;
    } cases[] = {
        {"ZONE_START of zone 0", 0, 0, EINVAL},
        {"ZONE_START of zone 32", 0, 32, EINVAL},
        {"ZONE_START without CPUs", 8, 0, EINVAL},
        {"ZONE_START with the root zone's CPU", 8, 0x6, EBUSY},
        {"ZONE_START with 65 regions", 16, 65, EINVAL},
        {"ZONE_START with region type 5", 24, 5, EINVAL},
        {"ZONE_START with System RAM", 24 + 8, own, EACCES},
        {"ZONE_START with RAM beyond the reserved", 24 + 24, RAM_SIZE + 0x1000, EACCES},
        {"ZONE_START with half a page", 24 + 24, RAM_SIZE - 0x800, EINVAL},
        {"ZONE_START with windows that overlap", 24 + 64 + 8, CONSOLE_WINDOW, EINVAL},
        {"ZONE_START with 3 IVC channels", 2200, 3, EINVAL},
        {"ZONE_START with a kernel elsewhere", 2296, 0x40000000, EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bad, config, size);
        put(bad, cases[i].offset, cases[i].value, 8);
        expect_error(cases[i].what, ioctl(device, ZONE_START, bad), cases[i].expected);
    }
    free(bad);
    expect_error("ZONE_START without arguments", ioctl(device, ZONE_START, 8ul), EFAULT);
    expect_error("ZONE_SHUTDOWN of the root zone", ioctl(device, ZONE_SHUTDOWN, 0ul), EINVAL);
    expect_error("ZONE_SHUTDOWN of no zone", ioctl(device, ZONE_SHUTDOWN, 1ul), EINVAL);
}

/* Until the guest has looked for both devices, woken us, and got an interrupt. */
static void be_the_daemon(void) {
    time_t end = time(NULL) + 120;
    while (!accesses_of_console || !accesses_of_disk || !wakeups_seen) {
        if (time(NULL) > end)
            fail("after 120 s: %u accesses to the console, %u to the disk, %u wake-ups", accesses_of_console,
                 accesses_of_disk, wakeups_seen);
        wait_for_requests(50);
    }
    send_interrupt(1, CONSOLE_IRQ);
    send_interrupt(31, DISK_IRQ); /* no such zone: to be dropped */
}

int main(int argc, char** argv) {
    static uint8_t zones[32 * 56], config[3296];
    uint64_t magic = 0, root_cpus = 0, own = system_ram();
    pthread_t thread;
    bool start_only = argc > 1 && strcmp(argv[1], "--start") == 0;

    argc -= start_only;
    argv += start_only;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: upstream_abi [--start] ZONE_KERNEL ZONE_DTB [INITRD]\n");
        return 2;
    }
    device = open("/dev/hvisor", O_RDWR);
    if (device < 0)
        fail("/dev/hvisor: %s", strerror(errno));
    wakeups = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    expect_success("CONFIG_CHECK", ioctl(device, CONFIG_CHECK, &magic));
    if (magic != 5 && magic != 6)
        fail("the hypervisor's magic is 0x%llx; expected 5 or 6", (unsigned long long)magic);
    if (list_zones(zones, ~0ull) != 1 || listed_id(zones, 0) != 0)
        fail("ZONE_LIST does not show the root zone alone");
    memcpy(&root_cpus, zones + 8, sizeof(root_cpus));
    if (root_cpus != 3)
        fail("the root zone has CPUs 0x%llx; expected 0x3", (unsigned long long)root_cpus);
    expect_error("ZONE_LIST of no elements", list_zones(zones, 0), EINVAL);
    expect_error("ZONE_LIST to nowhere", list_zones((uint8_t*)8, 1), EFAULT);

    if (!start_only) {
        check_role();
        check_memory_refusals(own);
    }

    uint64_t kernel_size = load_file(argv[1], KERNEL_START);
    uint64_t dtb_size = load_file(argv[2], RAM_START);
    if (argc == 4)
        load_file(argv[3], INITRD_START);
    make_config(config, magic, kernel_size, dtb_size);
    if (!start_only)
        check_start_refusals(config, sizeof(config), own);

    expect_success("ZONE_START", ioctl(device, ZONE_START, config));
    if (start_only)
        return 0;
    expect_error("ZONE_START of a running zone", ioctl(device, ZONE_START, config), EINVAL);
    if (list_zones(zones, 32) != 2 || listed_id(zones, 1) != 1)
        fail("ZONE_LIST does not show zone 1 running");
    if (list_zones(zones, 1) != 1)
        fail("ZONE_LIST of one element does not return one");
    be_the_daemon();

    pthread_create(&thread, NULL, shut_down, NULL);
    while (!atomic_load(&shutdown_done))
        wait_for_requests(1);
    pthread_join(thread, NULL);
    if (list_zones(zones, 32) != 1)
        fail("ZONE_LIST shows a zone after ZONE_SHUTDOWN");

    printf("upstream-abi: magic %llu, %u accesses to the console, %u to the disk, %u wake-ups\n",
           (unsigned long long)magic, accesses_of_console, accesses_of_disk, wakeups_seen);
    printf("upstream-abi: ok\n");
    return 0;
}
