#ifndef VITQ_VITQ_H
#define VITQ_VITQ_H
/* vitq for C: opaque handles, one status for each call, no exception ever comes out. What is not said here is as in
 * model.h and session.h.
 *
 *   vitq_model* model;
 *   if (vitq_model_open("deit_t.w8a8.safetensors", 0, &model) != VITQ_OK) { puts(vitq_last_error()); return 1; }
 *
 * Handles: a model may be used and freed from any thread, and is freed before or after its sessions, in any order; a
 * session belongs to one thread at a time. Every pointer that a function gets may be NULL where that is said, and is
 * refused with VITQ_ARGUMENT elsewhere; *_free take NULL. Strings are UTF-8 and end with 0. Where a call fails, what it
 * would have written to is untouched or, of arrays of results, undefined.
 */

/* NOLINTBEGIN: this is C */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vitq_status {
  VITQ_OK = 0,
  VITQ_FILE = 1,        /* a file is missing, or cannot be read or written */
  VITQ_FORMAT = 2,      /* the bytes are not what they claim to be */
  VITQ_ARGUMENT = 3,    /* the call was wrong */
  VITQ_UNSUPPORTED = 4, /* right, but not possible here */
  VITQ_MEMORY = 5,      /* memory was not to be had */
  VITQ_CANCELLED = 6,   /* a callback asked to stop */
  VITQ_INTERNAL = 7     /* a fault of vitq's own */
} vitq_status;

typedef struct vitq_model vitq_model;
typedef struct vitq_session vitq_session;
typedef struct vitq_image vitq_image;

/* Bits of `flags` of vitq_model_open. */
enum { VITQ_BF16 = 1 };

/* Bits of `flags` of vitq_image_load_with and vitq_image_decode_with. */
enum { VITQ_AS_STORED = 1 /* rows and columns as they are stored: the EXIF orientation is left alone */ };

typedef enum vitq_pixel_format {
  VITQ_RGB = 0,
  VITQ_RGBA = 1,
  VITQ_BGR = 2,
  VITQ_BGRA = 3,
  VITQ_GREY = 4
} vitq_pixel_format;

/* Pixels that the caller owns. Row y begins at data + y * stride; a stride of 0 means rows without gaps. */
typedef struct vitq_view {
  const uint8_t* data;
  int32_t width;
  int32_t height;
  ptrdiff_t stride;
  int32_t format; /* vitq_pixel_format */
} vitq_view;

/* Where results are written: each may be NULL, not all. The sizes are in floats and must be just what the model gives
 * for the pictures: [pictures, classes], [pictures, embedding_size], [pictures, tokens, token_size]. */
typedef struct vitq_outputs {
  float* logits;
  size_t logits_size;
  float* embedding;
  size_t embedding_size;
  float* tokens;
  size_t tokens_size;
} vitq_outputs;

typedef struct vitq_prediction {
  int32_t index;
  float probability;
  const char* name; /* the model's; lives as long as it */
} vitq_prediction;

#define VITQ_SHOWN __attribute__((visibility("default")))

/* "0.1.0", of the library that runs. */
VITQ_SHOWN const char* vitq_version(void);

/* What went wrong in this thread's last call that failed, in one line; "" before the first. Lives until the next such
 * call of the thread. */
VITQ_SHOWN const char* vitq_last_error(void);

/* A model from a file or by its name; flags: VITQ_BF16 or 0. */
VITQ_SHOWN vitq_status vitq_model_open(const char* path_or_name, uint32_t flags, vitq_model** model);
/* The same from a file's bytes; name: what messages call them. */
VITQ_SHOWN vitq_status vitq_model_open_bytes(const void* bytes, size_t size, const char* name, uint32_t flags,
                                             vitq_model** model);
VITQ_SHOWN void vitq_model_free(vitq_model* model);

/* Facts of a model; 0 or "" for NULL. */
VITQ_SHOWN const char* vitq_model_name(const vitq_model* model);
VITQ_SHOWN const char* vitq_model_precision(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_image_height(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_image_width(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_classes(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_embedding_size(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_tokens(const vitq_model* model);
/* Floats of a token; how many tokens stand before the patches; whether the first of those is a class token (1 or 0). */
VITQ_SHOWN int64_t vitq_model_token_size(const vitq_model* model);
VITQ_SHOWN int64_t vitq_model_prefix_tokens(const vitq_model* model);
VITQ_SHOWN int vitq_model_has_class_token(const vitq_model* model);
/* NULL where there is no such class. */
VITQ_SHOWN const char* vitq_model_class_name(const vitq_model* model, int64_t index);
/* The `count` most probable classes of logits [classes], best first, into best[count]; count at most the classes. */
VITQ_SHOWN vitq_status vitq_model_top(const vitq_model* model, const float* logits, size_t logits_size, size_t count,
                                      vitq_prediction* best);

/* A session; threads: 0 for as many as CPUs, held to OMP_NUM_THREADS and to a container's CPU quota. */
VITQ_SHOWN vitq_status vitq_session_create(const vitq_model* model, int32_t threads, vitq_session** session);
VITQ_SHOWN void vitq_session_free(vitq_session* session);
/* 0 for NULL. */
VITQ_SHOWN int32_t vitq_session_threads(const vitq_session* session);
/* Bytes that a batch takes beside the model; -1 for NULL or a batch that is not positive. */
VITQ_SHOWN int64_t vitq_session_memory(const vitq_session* session, int64_t batch);
/* Pictures of any size, as one batch. */
VITQ_SHOWN vitq_status vitq_session_run(vitq_session* session, const vitq_view* pictures, size_t count,
                                        const vitq_outputs* outputs);
/* Normalised pictures: [count, 3, height, width], values_size floats in all. */
VITQ_SHOWN vitq_status vitq_session_run_floats(vitq_session* session, const float* values, size_t values_size,
                                               size_t count, const vitq_outputs* outputs);

/* A picture from a file, or from its bytes (JPEG, PNG, BMP, PNM), turned as its EXIF orientation says; name: what
 * messages call them. */
VITQ_SHOWN vitq_status vitq_image_load(const char* path, vitq_image** image);
VITQ_SHOWN vitq_status vitq_image_decode(const void* bytes, size_t size, const char* name, vitq_image** image);
/* The same with flags: VITQ_AS_STORED or 0. */
VITQ_SHOWN vitq_status vitq_image_load_with(const char* path, uint32_t flags, vitq_image** image);
VITQ_SHOWN vitq_status vitq_image_decode_with(const void* bytes, size_t size, const char* name, uint32_t flags,
                                              vitq_image** image);
VITQ_SHOWN void vitq_image_free(vitq_image* image);
/* Its pixels, which live as long as it; all zero for NULL. */
VITQ_SHOWN vitq_view vitq_image_view(const vitq_image* image);

/* Called after each of `total` sites; 0: stop, with VITQ_CANCELLED. */
typedef int (*vitq_progress)(int32_t done, int32_t total, const char* site, void* context);

/* A float model to an artifact of these bits (3 to 8; edge_bits: of the patch embedding and the head). progress may be
 * NULL; context is handed to it. */
VITQ_SHOWN vitq_status vitq_quantize(const char* model, const vitq_view* pictures, size_t count, int32_t weight_bits,
                                     int32_t activation_bits, int32_t edge_bits, const char* out,
                                     vitq_progress progress, void* context);

#ifdef __cplusplus
}
#endif

/* NOLINTEND */
#endif
