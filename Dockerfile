# One recipe, three images: web (no torch), worker-cpu and worker-gpu (the same pins; the index decides the build of torch).
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 DATA_DIR=/data
RUN groupadd --gid 10001 desk \
 && useradd --uid 10001 --gid desk --no-create-home --home-dir /data --shell /usr/sbin/nologin desk \
 && install -d -o desk -g desk /data /app
WORKDIR /app

FROM base AS web
COPY requirements requirements
RUN pip install -r requirements/web.txt
COPY manage.py ./
COPY captionsite captionsite
COPY captions captions
COPY templates templates
USER desk
CMD ["python", "-m", "uvicorn", "captionsite.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", "--no-proxy-headers", "--no-access-log", "--timeout-graceful-shutdown", "5"]

FROM web AS worker
USER root
RUN pip install -r requirements/worker.txt
COPY worker worker
USER desk
CMD ["python", "-m", "worker"]
