/* The same from C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vitq/vitq.h>

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, vitq_last_error());
  return 1;
}

int main(int argc, char** argv) {
  vitq_model* model = NULL;
  vitq_session* session = NULL;
  vitq_image* image = NULL;
  vitq_prediction best[3];
  vitq_outputs outputs = {0};
  vitq_view view;
  if (argc != 3) return 2;
  if (vitq_model_open(argv[1], 0, &model) != VITQ_OK) return fail("open");
  if (vitq_session_create(model, 1, &session) != VITQ_OK) return fail("session");
  if (vitq_image_load(argv[2], &image) != VITQ_OK) return fail("image");
  /* A DeiT: one class token before the patches. */
  if (vitq_model_token_size(model) != vitq_model_embedding_size(model) || vitq_model_prefix_tokens(model) != 1 ||
      vitq_model_has_class_token(model) != 1) {
    return fail("tokens");
  }
  outputs.logits_size = (size_t)vitq_model_classes(model);
  outputs.logits = malloc(outputs.logits_size * sizeof(float));
  view = vitq_image_view(image);
  if (vitq_session_run(session, &view, 1, &outputs) != VITQ_OK) return fail("run");
  if (vitq_model_top(model, outputs.logits, outputs.logits_size, 3, best) != VITQ_OK) return fail("top");
  printf("vitq %s, %s: %.4f %s\n", vitq_version(), vitq_model_name(model), (double)best[0].probability, best[0].name);
  if (strcmp(best[0].name, "airplane") != 0) return fail("not an airplane");
  free(outputs.logits);
  vitq_image_free(image);
  vitq_model_free(model); /* before its session: both orders are allowed */
  vitq_session_free(session);
  if (vitq_model_open("no/such/file.safetensors", 0, &model) == VITQ_OK) return fail("opened what is not there");
  return 0;
}
