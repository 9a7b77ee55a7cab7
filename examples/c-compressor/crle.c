/* Compresses by counting equal bytes: a plugin in C, without any library.
 *
 * A stream is `CRLE`, pairs of a count and a byte, a count of 0, and the CRC-32
 * of the content, lowest byte first. Several streams in a row are a stream.
 */
#include "hayloft_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HAYLOFT_PLUGIN("c-rle", "0.1.0", "Compresses by counting equal bytes, in C", hayloft_plugin_v1_crle,
               "compressor:crle",
               "compressor.crle.suffix=.crle\ncompressor.crle.magic=43524c45\n");

static const uint8_t MAGIC[4] = {'C', 'R', 'L', 'E'};
enum { LONGEST = 255, SUM = 4 };

typedef struct crle {
    int decode;
    uint8_t waiting[8]; /* to be given out, or taken in and not complete */
    size_t held, given;
    uint8_t count, byte; /* the run that is counted, or given out */
    int inside, ended;   /* a stream has begun; a stream has ended */
    uint32_t crc;
} crle;

static hayloft_status fail(hayloft_error *error, hayloft_status status, const char *message) {
    snprintf(error->message, sizeof error->message, "%s", message);
    return status;
}

static uint32_t crc_of(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    return crc;
}

static void wait_with(crle *it, const uint8_t *bytes, size_t size) {
    memcpy(it->waiting + it->held, bytes, size);
    it->held += size;
}

static void end_run(crle *it) {
    uint8_t pair[2] = {it->count, it->byte};
    if (it->count > 0) wait_with(it, pair, sizeof pair);
    it->count = 0;
}

/* Takes a byte; a run that it ends is then waiting. */
static void encode(crle *it, uint8_t byte) {
    it->crc = crc_of(it->crc, byte);
    if (it->count > 0 && (it->byte != byte || it->count == LONGEST)) end_run(it);
    it->byte = byte;
    it->count++;
}

static void end_stream(crle *it) {
    uint32_t sum = ~it->crc;
    uint8_t end[1 + SUM] = {0, (uint8_t)sum, (uint8_t)(sum >> 8), (uint8_t)(sum >> 16),
                            (uint8_t)(sum >> 24)};
    wait_with(it, end, sizeof end);
    it->ended = 1;
}

static void encode_step(crle *it, const uint8_t *input, size_t input_size, uint8_t *output,
                        size_t output_size, int op, hayloft_step *step) {
    for (;;) {
        while (it->given < it->held && step->produced < output_size)
            output[step->produced++] = it->waiting[it->given++];
        if (it->given < it->held) return; /* no room */
        it->given = it->held = 0;
        if (step->consumed < input_size) {
            encode(it, input[step->consumed++]);
        } else if (op != HAYLOFT_RUN && it->count > 0) {
            end_run(it);
        } else if (op == HAYLOFT_FINISH && !it->ended) {
            end_stream(it);
        } else {
            step->done = op != HAYLOFT_RUN;
            return;
        }
    }
}

static int sum_is_right(const crle *it) {
    uint32_t sum = ~it->crc;
    for (int i = 0; i < SUM; i++)
        if (it->waiting[1 + i] != (uint8_t)(sum >> (8 * i))) return 0;
    return 1;
}

/* Takes a byte of a magic, a pair or a sum. */
static hayloft_status decode(crle *it, uint8_t byte, hayloft_error *error) {
    it->waiting[it->held++] = byte;
    if (!it->inside) {
        if (memcmp(it->waiting, MAGIC, it->held) != 0)
            return fail(error, HAYLOFT_CORRUPT, "a stream does not begin with CRLE");
        if (it->held < sizeof MAGIC) return HAYLOFT_OK;
        it->inside = 1;
        it->crc = ~0u;
    } else if (it->waiting[0] == 0) {
        if (it->held < 1 + SUM) return HAYLOFT_OK;
        if (!sum_is_right(it))
            return fail(error, HAYLOFT_CORRUPT, "the checksum is not that of the content");
        it->inside = 0;
        it->ended = 1;
    } else {
        if (it->held < 2) return HAYLOFT_OK;
        it->count = it->waiting[0];
        it->byte = it->waiting[1];
    }
    it->held = 0;
    return HAYLOFT_OK;
}

static hayloft_status decode_step(crle *it, const uint8_t *input, size_t input_size,
                                  uint8_t *output, size_t output_size, int op, hayloft_step *step,
                                  hayloft_error *error) {
    for (;;) {
        for (; it->count > 0 && step->produced < output_size; it->count--) {
            it->crc = crc_of(it->crc, it->byte);
            output[step->produced++] = it->byte;
        }
        if (it->count > 0) return HAYLOFT_OK; /* no room */
        if (step->consumed == input_size) break;
        hayloft_status status = decode(it, input[step->consumed++], error);
        if (status != HAYLOFT_OK) return status;
    }
    if (op == HAYLOFT_FINISH && (it->inside || it->held > 0 || !it->ended))
        return fail(error, HAYLOFT_CORRUPT, "the stream is cut off");
    step->done = op != HAYLOFT_RUN;
    return HAYLOFT_OK;
}

static hayloft_status codec_step(void *codec, const uint8_t *input, size_t input_size,
                                 uint8_t *output, size_t output_size, int op, hayloft_step *step,
                                 hayloft_error *error) {
    crle *it = codec;
    *step = (hayloft_step){0, 0, 0};
    if (it->decode)
        return decode_step(it, input, input_size, output, output_size, op, step, error);
    encode_step(it, input, input_size, output, output_size, op, step);
    return HAYLOFT_OK;
}

static hayloft_status codec_open(const hayloft_codec_request *request, void **codec,
                                 hayloft_error *error) {
    crle *it = calloc(1, sizeof *it);
    if (!it) return fail(error, HAYLOFT_OTHER, "out of memory");
    it->decode = request->decode;
    it->crc = ~0u;
    if (!it->decode) wait_with(it, MAGIC, sizeof MAGIC);
    *codec = it;
    return HAYLOFT_OK;
}

static hayloft_status check(const char *kind, const char *name, const char *config,
                            hayloft_error *error) {
    (void)kind, (void)name;
    return *config ? fail(error, HAYLOFT_CONFIGURATION, "crle has no settings") : HAYLOFT_OK;
}

static const hayloft_plugin TABLE = {
    .struct_size = sizeof(hayloft_plugin),
    .api_major = HAYLOFT_API_MAJOR,
    .api_minor = HAYLOFT_API_MINOR,
    .check = check,
    .codec_open = codec_open,
    .codec_step = codec_step,
    .codec_close = free,
};

HAYLOFT_ENTRY(hayloft_plugin_v1_crle) { return &TABLE; }
