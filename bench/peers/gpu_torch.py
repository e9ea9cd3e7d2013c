"""What the peers on a GPU need first: a PyTorch that can use the device."""


def why_not(device, module="torch"):
    """Why this Python has no peers to offer, or None: no such module, no CUDA in it, a driver it cannot use."""
    try:
        import torch
        __import__(module)
    except (ImportError, OSError) as error:
        return f"this Python has no {module} that can be loaded: {str(error).splitlines()[0][:200]}"
    if device != "cuda":
        return None
    if torch.version.cuda is None:
        return "this PyTorch is built without CUDA"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        return f"this PyTorch cannot use the device: {str(error).splitlines()[0][:200]}"
    return None
