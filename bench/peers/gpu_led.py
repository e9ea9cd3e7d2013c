"""Peer on a GPU: a training step of transformers' LED.

    python3 bench/peers/gpu_led.py MODEL_FOLDER RECORD [--tokens 4096] [--target 256] [--batches 1,8] [--repeats 8]

First the loss of RECORD (JSON with ids and labels) in f32 without dropout, for comparison. Then whole steps on random
tokens, the first of each source global: bf16 autocast, forward, backward, clipping, fused AdamW, with the folder's
dropout. Tokens per second are those of sources and targets. A line of JSON for each; --device cpu rehearses the same.
"""

import gpu_torch

try:
    import torch
    from transformers import LEDForConditionalGeneration
except (ImportError, OSError):  # main() says so
    torch = None


def inputs_of(ids, labels):
    first = torch.zeros_like(ids)
    first[:, 0] = 1
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "global_attention_mask": first, "labels": labels}


def main():
    parser = gpu_torch.update_arguments(__doc__.splitlines()[0])
    parser.add_argument("--target", type=int, default=256)
    options = gpu_torch.parse(parser)
    torch.manual_seed(1)
    model = LEDForConditionalGeneration.from_pretrained(options.model).to(options.device)
    gpu_torch.print_loss(model, inputs_of(*gpu_torch.record_of(options)))

    def random_inputs(batch):
        return inputs_of(*(torch.randint(5, model.config.vocab_size, (batch, length), device=options.device)
                           for length in (options.tokens, options.target)))

    gpu_torch.print_updates(model, options, options.tokens + options.target, random_inputs)


if __name__ == "__main__":
    main()
