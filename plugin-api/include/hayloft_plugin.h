/* Hayloft's plugin interface for C, and for every language that can speak C.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * A plugin is a shared library that
 *   1. describes itself with HAYLOFT_PLUGIN(), which the host reads from the
 *      file without running anything of it;
 *   2. exports an entry function, HAYLOFT_ENTRY(), that returns its table.
 *
 * It can offer compressors, encryptors, storages and hooks. Build it with
 *
 *     cc -shared -fPIC -fvisibility=hidden -o libacme.so acme.c
 *
 * Rules, for all functions:
 *   - They return a hayloft_status. Whatever is not HAYLOFT_OK comes with a
 *     message in `error`: lower-case, without a full stop, naming the file or
 *     setting that it is about.
 *   - No exception and no longjmp leaves them. They do not call exit().
 *   - Strings are UTF-8 and end with a NUL. Pointers that are passed in are
 *     valid during the call only, except the hayloft_host.
 *   - They are called from any thread. A codec, put or reader is never used by
 *     two threads at once; a storage or hook may be.
 *   - Every handle is closed exactly once, after the last call with it. A
 *     function that fails to open something makes no handle.
 *
 * Compatibility, for the whole of API 1: members are appended to hayloft_plugin,
 * hayloft_host and hayloft_codec_request only, and their `struct_size` says how
 * much of them is there. All other structures stay as they are. A plugin takes
 * numbers that it does not know as HAYLOFT_OTHER, or ignores them.
 */
#ifndef HAYLOFT_PLUGIN_H
#define HAYLOFT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAYLOFT_API_MAJOR 1
#define HAYLOFT_API_MINOR 0

typedef int hayloft_status;
enum {
    HAYLOFT_OK = 0,
    HAYLOFT_NOT_FOUND = 1,      /* the thing asked for is not there */
    HAYLOFT_ALREADY_EXISTS = 2, /* something is in the place already */
    HAYLOFT_PERMISSION = 3,     /* the system or the store refused */
    HAYLOFT_CONFIGURATION = 4,  /* the configuration is wrong */
    HAYLOFT_CORRUPT = 5,        /* data is damaged */
    HAYLOFT_UNSUPPORTED = 6,    /* the plugin does not offer this */
    HAYLOFT_TRANSIENT = 7,      /* asking again later may help */
    HAYLOFT_CANCELLED = 8,      /* the work was stopped */
    HAYLOFT_FULL = 10,          /* no room is left */
    HAYLOFT_TIMED_OUT = 11,     /* a time limit ran out */
    HAYLOFT_CHANGED = 14,       /* it is not what the caller saw last */
    HAYLOFT_OTHER = 100         /* nothing in particular */
};

/* What a failing function fills in; both are empty when it is called. */
typedef struct hayloft_error {
    char message[1024];
    char hint[512]; /* what the user can do about it; may stay empty */
} hayloft_error;

/* ---- What the host offers ---- */

enum { HAYLOFT_ERROR = 1, HAYLOFT_WARN = 2, HAYLOFT_INFO = 3, HAYLOFT_DEBUG = 4, HAYLOFT_TRACE = 5 };

typedef struct hayloft_host {
    size_t struct_size;
    uint32_t api_major, api_minor;
    /* Writes to the host's log. `target` is what filters go by, such as
     * "acme_tape"; it and `message` must not be NULL. */
    void (*log)(int level, const char *target, const char *message);
    /* Whether anybody wants it, for messages that are costly to make. */
    int (*log_enabled)(int level, const char *target);
} hayloft_host;

/* ---- Configuration ----
 *
 * `config` is the plugin's XML element as lines `key=value`, each ended by a
 * newline. An element in another one is `outer.inner`, an attribute is
 * `element@name`; one that is there several times has a line each. Space
 * around values is removed. In a value, `\\` stands for a backslash and `\n`
 * for a newline. Secrets are in it in the clear: do not log it. */

/* ---- Compressors and encryptors ---- */

enum { HAYLOFT_RUN = 0, HAYLOFT_FLUSH = 1, HAYLOFT_FINISH = 2 };

typedef struct hayloft_codec_request {
    size_t struct_size;
    const char *kind;   /* "compressor" or "encryptor" */
    const char *name;   /* which of those that the plugin offers */
    const char *config;
    int decode;         /* 0 encodes, 1 decodes */
    uint64_t size_hint; /* how many bytes will come; UINT64_MAX if unknown */
    uint32_t threads;   /* how many to use; 0 leaves it to the plugin */
    int32_t level;      /* INT32_MIN is the configured one */
} hayloft_codec_request;

typedef struct hayloft_step {
    size_t consumed; /* bytes of the input that were taken */
    size_t produced; /* bytes of the output that were filled */
    int done;        /* FLUSH, FINISH: all is given out. Decoder: the stream's end */
} hayloft_step;

/* ---- Storages ---- */

enum { HAYLOFT_CREATE_ONLY = 1 }; /* put_open: the key must not be there yet */

typedef struct hayloft_object {
    uint64_t size;
    int64_t modified_ns; /* nanoseconds since 1970; 0 if unknown */
    char etag[128];      /* changes with the content; may stay empty */
} hayloft_object;

/* Of any number of calls at the same time, over all threads, processes and
 * hosts, one at most succeeds. */
enum {
    HAYLOFT_ATOMIC_CREATE = 1, /* put_open with HAYLOFT_CREATE_ONLY */
    HAYLOFT_ATOMIC_REPLACE = 2 /* put_replace */
};

/* Takes an object of a list; not to be called again once it returned non-zero. */
typedef int (*hayloft_take)(void *context, const char *key, const hayloft_object *object);

/* ---- The plugin's table ----
 *
 * A function that is not needed for what the plugin offers may be NULL. */
typedef struct hayloft_plugin {
    size_t struct_size; /* sizeof(hayloft_plugin) */
    uint32_t api_major; /* HAYLOFT_API_MAJOR */
    uint32_t api_minor; /* HAYLOFT_API_MINOR */

    /* Called once, first of all; `host` stays valid for ever. May be NULL. */
    hayloft_status (*initialise)(const hayloft_host *host, hayloft_error *error);
    /* Says what is wrong with a configuration, touching nothing. May be NULL. */
    hayloft_status (*check)(const char *kind, const char *name, const char *config,
                            hayloft_error *error);

    /* Compressors and encryptors. */
    hayloft_status (*codec_open)(const hayloft_codec_request *request, void **codec,
                                 hayloft_error *error);
    /* Takes some of the input and puts some of the result into the output. With
     * room in the output, each call takes, puts or is done. The host repeats
     * FLUSH and FINISH, with the rest of the input, until it is done. A decoder
     * that gets FINISH before the end of its stream fails: HAYLOFT_CORRUPT. */
    hayloft_status (*codec_step)(void *codec, const uint8_t *input, size_t input_size,
                                 uint8_t *output, size_t output_size, int op,
                                 hayloft_step *step, hayloft_error *error);
    void (*codec_close)(void *codec);

    /* Storages. A key is segments joined by `/`, none empty, `.` or `..`. */
    hayloft_status (*storage_open)(const char *name, const char *config, void **storage,
                                   hayloft_error *error);
    void (*storage_close)(void *storage);
    /* Begins an object, of which nobody sees anything before put_commit. */
    hayloft_status (*put_open)(void *storage, const char *key, uint32_t flags,
                               uint64_t size_hint, void **put, hayloft_error *error);
    hayloft_status (*put_write)(void *put, const uint8_t *data, size_t size,
                                hayloft_error *error);
    /* When this returns HAYLOFT_OK, the object is visible, whole and durable. */
    hayloft_status (*put_commit)(void *put, hayloft_object *object, hayloft_error *error);
    hayloft_status (*put_abort)(void *put, hayloft_error *error);
    /* Without a put_commit that succeeded, nothing of the object stays. */
    void (*put_close)(void *put);
    /* `length` is UINT64_MAX for all up to the end. */
    hayloft_status (*get_open)(void *storage, const char *key, uint64_t offset,
                               uint64_t length, void **reader, hayloft_error *error);
    /* 0 bytes are the end. */
    hayloft_status (*get_read)(void *reader, uint8_t *buffer, size_t size, size_t *filled,
                               hayloft_error *error);
    void (*get_close)(void *reader);
    /* HAYLOFT_NOT_FOUND, without a message, if there is no such object. */
    hayloft_status (*object_stat)(void *storage, const char *key, hayloft_object *object,
                                  hayloft_error *error);
    /* Gives up to `limit` objects whose key begins with `prefix` and comes after
     * `after` to `take`, in the order of the keys' bytes. */
    hayloft_status (*object_list)(void *storage, const char *prefix, const char *after,
                                  uint32_t limit, hayloft_take take, void *context,
                                  hayloft_error *error);
    /* An object that is not there is removed already. */
    hayloft_status (*object_delete)(void *storage, const char *key, hayloft_error *error);

    /* Hooks. `event` is {"name": "pre_action", "fields": {"action": "store"}}.
     * The verdict is {"verdict": "continue"}, {"verdict": "veto", "reason": "..."}
     * or {"verdict": "retry", "reason": "..."}; left empty, it is to continue. */
    hayloft_status (*hook_open)(const char *name, const char *config, void **hook,
                                hayloft_error *error);
    void (*hook_close)(void *hook);
    hayloft_status (*hook_event)(void *hook, const char *event, char *verdict,
                                 size_t verdict_size, hayloft_error *error);

    /* Storages, all of which may be NULL. */

    /* Sets `guarantees` to those of HAYLOFT_ATOMIC_... that hold. */
    hayloft_status (*storage_guarantees)(void *storage, uint32_t *guarantees,
                                         hayloft_error *error);
    /* Begins to replace an object that must still have this etag when it is
     * committed; else, or if it is gone, put_commit returns HAYLOFT_CHANGED. An
     * etag is never one that the same key had before with other content. */
    hayloft_status (*put_replace)(void *storage, const char *key, const char *etag,
                                  uint64_t size_hint, void **put, hayloft_error *error);
} hayloft_plugin;

typedef const hayloft_plugin *(*hayloft_entry)(void);

#ifdef __cplusplus
}
#define HAYLOFT_EXTERN extern "C"
#else
#define HAYLOFT_EXTERN extern
#endif
#define HAYLOFT_EXPORT __attribute__((visibility("default")))

/* Begins the entry function: HAYLOFT_ENTRY(acme) { return &table; } */
#define HAYLOFT_ENTRY(entry) HAYLOFT_EXTERN HAYLOFT_EXPORT const hayloft_plugin *entry(void)

/* Describes the plugin. All but `entry` are string literals. `provides` is a
 * list such as "compressor:acme,storage:tape". `facts` has a line for each fact
 * about them, such as "compressor.acme.suffix=.acme\ncompressor.acme.magic=1f8b\n",
 * and may be "". Compressors and encryptors need both of these. */
#define HAYLOFT_PLUGIN(id, version, description, entry, provides, facts)             \
    HAYLOFT_ENTRY(entry);                                                            \
    HAYLOFT_EXTERN HAYLOFT_EXPORT const char hayloft_metadata_##entry[];             \
    __attribute__((used, section(".hayloft_plugin")))                                \
    const char hayloft_metadata_##entry[] =                                          \
        "HAYLOFT1\nid=" id "\nversion=" version "\nabi=c\napi=1.0\nentry=" #entry    \
        "\ndescription=" description "\nprovides=" provides "\n" facts

#endif
