// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for NVIDIA's libnvidia-ml.so.1: the functions that the plugin
// calls, with the C ABI that nvidia-ml-py's ctypes structures have.
//
// Answers are lines of the file that NVML_ANSWERS names:
//
//     BOARD FUNCTION VALUE...
//     BOARD FUNCTION error NUMBER
//
// with "-" for the board where a function has none. Three values are none, but
// what the function does: "hang", "crash", and "babble", which is to print
// without end. A function that no line answers succeeds where it has nothing to
// tell, and else gives NVML_ERROR_UNKNOWN; a board without a line for
// nvmlDeviceGetHandleByPciBusId_v2 is not known. Each call appends
// "FUNCTION BOARD" to the file that NVML_LOG names.
//
// WITHOUT_GSP makes a library that is older than the GSP functions. VERSION, a
// string, makes one of that version: it refuses a driver of another one, which
// is what a line "- driver VERSION" says, and is itself the version of the vGPU
// Manager. NOISE, a string, is printed when the library is initialised.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    LIB_RM_VERSION_MISMATCH = 18,
    UNKNOWN = 999
};

// nvmlDevice_t points to one of these.
struct device {
    char board[32];
};

typedef struct {
    unsigned int version;
    unsigned int revision;
    char hostDriverVersion[80];
    unsigned int pgpuVirtualizationCaps;
    unsigned int reserved[5];
    struct {
        unsigned int minVersion;
        unsigned int maxVersion;
    } hostSupportedVgpuRange;
    unsigned int opaqueDataSize;
    char opaqueData[4];
} pgpu_metadata;

static int initialised = 0;
static struct device devices[64];
static int device_count = 0;

static FILE *must_open(const char *variable, const char *mode)
{
    const char *path = getenv(variable);
    FILE *file = path ? fopen(path, mode) : NULL;
    if (!file) {
        perror(variable);
        abort();
    }
    return file;
}

static void misbehave(const char *how)
{
    while (!strcmp(how, "hang"))
        pause();
    if (!strcmp(how, "crash"))
        raise(SIGSEGV);
    while (!strcmp(how, "babble"))
        puts("a line that nobody wants");
}

// Log a call, and find its answer. Returns 1 with the value, without its end
// of line; 0 without a line; -1 with *error set.
static int answer(const char *function, const char *board, char *value,
                  int size, int *error)
{
    char key[128], line[512];
    int found = 0;
    FILE *log = must_open("NVML_LOG", "a");
    fprintf(log, "%s %s\n", function, board);
    fclose(log);
    snprintf(key, sizeof key, "%s %s ", board, function);
    FILE *answers = must_open("NVML_ANSWERS", "r");
    while (!found && fgets(line, sizeof line, answers)) {
        if (strncmp(line, key, strlen(key)))
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, size, "%s", line + strlen(key));
        found = sscanf(value, "error %d", error) == 1 ? -1 : 1;
    }
    fclose(answers);
    if (found == 1)
        misbehave(value);
    return found;
}

// Likewise, of a board that NVML has given a handle of.
static int query(const char *function, struct device *device, char *value,
                 int size)
{
    int error = UNKNOWN;
    if (!initialised)
        return UNINITIALIZED;
    return answer(function, device->board, value, size, &error) == 1
               ? SUCCESS : error;
}

static int flag(const char *function, struct device *device,
                unsigned int *current, unsigned int *other)
{
    char value[64];
    int result = query(function, device, value, sizeof value);
    if (result == SUCCESS) {
        *current = atoi(value);
        // The pending or default mode, which nobody is to take for it.
        *other = !*current;
    }
    return result;
}

int nvmlInitWithFlags(unsigned int flags)
{
    char value[64];
    int error = SUCCESS;
    (void)flags;
#ifdef NOISE
    puts(NOISE);
    fflush(stdout);
#endif
    answer(__func__, "-", value, sizeof value, &error);
#ifdef VERSION
    if (answer("driver", "-", value, sizeof value, &error) == 1 &&
        strcmp(value, VERSION))
        error = LIB_RM_VERSION_MISMATCH;
#endif
    if (error == SUCCESS)
        initialised++;
    return error;
}

int nvmlShutdown(void)
{
    char value[64];
    int error = SUCCESS;
    answer(__func__, "-", value, sizeof value, &error);
    if (!initialised)
        return UNINITIALIZED;
    initialised--;
    return error;
}

const char *nvmlErrorString(int result)
{
    static char text[64];
    snprintf(text, sizeof text, "stand-in's error %d", result);
    return text;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *board, struct device **device)
{
    char value[64];
    int error = NOT_FOUND;
    if (!initialised)
        return UNINITIALIZED;
    if (answer(__func__, board, value, sizeof value, &error) != 1)
        return error;
    if (device_count == sizeof devices / sizeof *devices)
        return UNKNOWN;
    *device = &devices[device_count++];
    snprintf((*device)->board, sizeof (*device)->board, "%s", board);
    return SUCCESS;
}

int nvmlDeviceGetEccMode(struct device *device, unsigned int *current,
                         unsigned int *pending)
{
    return flag(__func__, device, current, pending);
}

int nvmlDeviceGetMigMode(struct device *device, unsigned int *current,
                         unsigned int *pending)
{
    return flag(__func__, device, current, pending);
}

#ifndef WITHOUT_GSP
int nvmlDeviceGetGspFirmwareMode(struct device *device, unsigned int *enabled,
                                 unsigned int *by_default)
{
    return flag(__func__, device, enabled, by_default);
}

int nvmlDeviceGetGspFirmwareVersion(struct device *device, char *version)
{
    // The caller's buffer: NVML_GSP_FIRMWARE_VERSION_BUF_SIZE.
    return query(__func__, device, version, 0x40);
}
#endif

// "CAPS MIN MAX VERSION". As the real one, it wants to be asked for the size
// first.
int nvmlDeviceGetVgpuMetadata(struct device *device, pgpu_metadata *metadata,
                              unsigned int *size)
{
    char value[256];
    int start = 0;
    int result = query(__func__, device, value, sizeof value);
    if (result != SUCCESS)
        return result;
    if (*size < sizeof *metadata) {
        *size = sizeof *metadata;
        return INSUFFICIENT_SIZE;
    }
    memset(metadata, 0, sizeof *metadata);
    if (sscanf(value, "%u %u %u%n", &metadata->pgpuVirtualizationCaps,
               &metadata->hostSupportedVgpuRange.minVersion,
               &metadata->hostSupportedVgpuRange.maxVersion, &start) != 3)
        return UNKNOWN;
    while (value[start] == ' ')
        start++;
    snprintf(metadata->hostDriverVersion, sizeof metadata->hostDriverVersion,
#ifdef VERSION
             VERSION);
#else
             "%.79s", value + start);
#endif
    return SUCCESS;
}
