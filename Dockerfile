# One image for the service, the scheduler and every command. Build it in the checkout:
#   docker build -t viecomrec:0.1.0 .
# Plain pip takes torch with CUDA on Linux; --build-arg EXTRA_INDEX=<PyTorch's CPU package index>
# --build-arg TORCH=torch==2.13.0+cpu gives the small CPU build (see README, "Before you install").
# --build-arg EXTRAS=postgres,s3 adds optional engines.
FROM python:3.12-slim-bookworm AS build
ARG EXTRA_INDEX=""
ARG TORCH="torch==2.13.0"
ARG EXTRAS=""
WORKDIR /src
RUN python -m venv /venv
COPY constraints.txt ./
RUN grep -v '^torch==' constraints.txt > /constraints.txt \
    && /venv/bin/pip install --no-cache-dir -c /constraints.txt \
        ${EXTRA_INDEX:+--extra-index-url "$EXTRA_INDEX"} "$TORCH"
COPY pyproject.toml README.md LICENSE alerting.py ./
COPY viecomrec viecomrec
COPY automation automation
COPY scripts scripts
RUN /venv/bin/pip install --no-cache-dir -c /constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.12-slim-bookworm
COPY --from=build /venv /venv
# The user of the Kubernetes manifests too. It owns nothing but the shop's folder.
RUN groupadd --gid 10001 viecomrec \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp viecomrec \
    && install -d -o 10001 -g 10001 /shop
ENV PATH=/venv/bin:$PATH \
    PROJECT_DIR=/shop \
    TZ=Asia/Ho_Chi_Minh \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba
USER 10001:10001
WORKDIR /shop
VOLUME ["/shop"]
EXPOSE 8000
# A service without a model, or with empty lists, is not healthy and says so.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=8)"]
# Listening on all addresses of the container; refuses to start without VIECOMREC_ADMIN_TOKEN.
CMD ["python", "-m", "automation.serve", "--host", "0.0.0.0"]
